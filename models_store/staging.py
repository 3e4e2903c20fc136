"""The hidden folder that a version is written to before anybody sees it, and what a kill leaves.

Its writer holds a lock on it, which the system releases when the process ends, however it ends. So
a folder that can be locked has lost its writer, and the next one to publish that name removes it.
Where a file system has no such locks nothing is removed: nobody can tell there.
"""

import errno
import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models_store.errors import LayoutError
from models_store.layout import is_valid_name

__all__ = ["orphaned_staging_dirs", "staging_dir"]

_log = logging.getLogger(__name__)

_PREFIX = ".partial-"
_DISK_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def staging_dir(model_dir: Path) -> Iterator[Path]:
    """A folder below `home` that no reader sees, to be filled and renamed; gone if that fails.

    What publishers of this name left that were killed is removed first.

    Raises:
        LayoutError: when `home`, a model's folder in a store, cannot be written, is a link, or has
            no room for what is being written.
    """
    partial, lock = _create_staging_dir(model_dir)
    try:
        partial.chmod(0o755)
        _remove_orphans(model_dir)
        yield partial
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        _remove_if_empty(model_dir)
        if isinstance(error, OSError) and error.errno in _DISK_FULL_ERRNOS:
            raise LayoutError(
                f"there is no room to put {model_dir.name} on the shelf: {error.strerror}; "
                "nothing was left there"
            ) from error
        raise
    finally:
        if lock is not None:
            os.close(lock)


def orphaned_staging_dirs(store: Path) -> list[Path]:
    """Hidden folders whose writers were killed."""
    model_dirs = [path for path in sorted(store.iterdir()) if is_valid_name(path.name)]
    return [folder for model_dir in model_dirs for folder in _find_orphans(model_dir)]


def _create_staging_dir(model_dir: Path) -> tuple[Path, int | None]:
    """The folder, and the lock on it."""
    try:
        while True:
            model_dir.mkdir(parents=True, exist_ok=True)
            if model_dir.is_symlink():
                raise LayoutError(f"{model_dir} is a link; nothing below a store is followed")
            try:
                partial = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=model_dir))
            except FileNotFoundError:
                continue  # another publisher failed just now, and took its empty folder away
            lock = _lock(partial, wait=True)
            if partial.is_dir():
                return partial, lock
            if lock is not None:  # another publisher took it for abandoned before it was locked
                os.close(lock)
    except OSError as error:
        _remove_if_empty(model_dir)
        raise LayoutError(f"{model_dir} cannot be written: {error.strerror}") from error


def _remove_orphans(model_dir: Path) -> None:
    for folder in _find_orphans(model_dir, remove=True):
        _log.warning(
            "removed what a killed publisher left", extra={"fields": {"folder": folder.name}}
        )


def _find_orphans(model_dir: Path, *, remove: bool = False) -> list[Path]:
    orphans = []
    for folder in sorted(model_dir.glob(f"{_PREFIX}*")):
        lock = _lock(folder, wait=False)
        if lock is None:
            continue
        orphans.append(folder)
        if remove:  # under the lock: a publisher that has just made it waits, and makes another
            shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
    return orphans


def _lock(folder: Path, *, wait: bool) -> int | None:
    """A descriptor that holds the lock. None where it is held, or cannot be had at all."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _remove_if_empty(model_dir: Path) -> None:
    try:
        model_dir.rmdir()
    except OSError:
        return  # it holds other versions
