"""Hidden staging directories, in which versions are written before they are renamed into place.

The writer holds a file lock, which the kernel releases when the process ends. A staging directory
that can be locked has no writer any more; the next publisher of that name removes it. On file
systems without such locks, nothing is removed.
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

_log = logging.getLogger(__name__)

_PREFIX = ".partial-"
_DISK_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def staging_dir(model_dir: Path) -> Iterator[Path]:
    """Create a hidden directory below `model_dir`; remove it if the body raises.

    Directories that killed publishers of this name left behind are removed first.

    Raises:
        LayoutError: when `model_dir` is not writable, is a link, or its disk is full.
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
                f"no space left to publish {model_dir.name}: {error.strerror}; "
                "the partial version was removed"
            ) from error
        raise
    finally:
        if lock is not None:
            os.close(lock)


def orphaned_staging_dirs(store: Path) -> list[Path]:
    """Return staging directories whose writers were killed."""
    model_dirs = [path for path in sorted(store.iterdir()) if is_valid_name(path.name)]
    return [folder for model_dir in model_dirs for folder in _find_orphans(model_dir)]


def _create_staging_dir(model_dir: Path) -> tuple[Path, int | None]:
    """Return the directory and the descriptor of its lock."""
    try:
        while True:
            model_dir.mkdir(parents=True, exist_ok=True)
            if model_dir.is_symlink():
                raise LayoutError(f"{model_dir} is a link; links in a store are not followed")
            try:
                partial = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=model_dir))
            except FileNotFoundError:
                continue  # another publisher failed and removed its empty folder
            lock = _lock(partial, wait=True)
            if partial.is_dir():
                return partial, lock
            if lock is not None:  # another publisher removed it before it was locked
                os.close(lock)
    except OSError as error:
        _remove_if_empty(model_dir)
        raise LayoutError(f"{model_dir} cannot be written: {error.strerror}") from error


def _remove_orphans(model_dir: Path) -> None:
    for folder in _find_orphans(model_dir, remove=True):
        _log.warning(
            "removed orphaned staging directory", extra={"fields": {"folder": folder.name}}
        )


def _find_orphans(model_dir: Path, *, remove: bool = False) -> list[Path]:
    orphans = []
    for folder in sorted(model_dir.glob(f"{_PREFIX}*")):
        lock = _lock(folder, wait=False)
        if lock is None:
            continue
        orphans.append(folder)
        if remove:  # while locked, so that its creator waits and creates another
            shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
    return orphans


def _lock(folder: Path, *, wait: bool) -> int | None:
    """Return a descriptor that holds the lock; None if it is held or locks are unsupported."""
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
