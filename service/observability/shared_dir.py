"""The folder in which the workers of one service meet: what they count is one service's.

They are children of one process, uvicorn's own or that of `python -m service`, and the folder is
named after it.
"""

import logging
import multiprocessing
import os
import shutil
import tempfile
from pathlib import Path

__all__ = ["get_shared_dir", "is_alive", "remove_shared_dirs"]

_log = logging.getLogger(__name__)

_PREFIX = "deepshelf-workers-"


def get_shared_dir(configured: Path | None) -> Path | None:
    """`configured`, or the one of this process and its siblings; None where it has none.

    None also where the folder cannot be used, which is logged.
    """
    folder = configured
    if folder is None:
        parent = multiprocessing.parent_process()
        if parent is None or parent.pid is None:
            return None
        folder = _default_dir(parent.pid)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_owned_by_us(folder):
            raise PermissionError("it belongs to somebody else")
        (folder / f"{os.getpid()}.probe").touch()
        (folder / f"{os.getpid()}.probe").unlink()
    except OSError as error:
        _log.warning(
            "shared directory is unusable, limits are per worker",
            extra={"fields": {"reason": str(error)}},
        )
        return None
    return folder


def remove_shared_dirs(pid: int) -> None:
    """Remove what the workers of process `pid` shared, and what processes left that are gone."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        owner = folder.name.removeprefix(_PREFIX)
        if (
            owner.isdigit()
            and _is_owned_by_us(folder)
            and (owner == str(pid) or not is_alive(int(owner)))
        ):
            shutil.rmtree(folder, ignore_errors=True)


def is_alive(pid: int) -> bool:
    """Whether there is such a process; on Windows, where that is not easily told, yes."""
    if os.name == "nt":  # there, os.kill(pid, 0) ends the process
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _default_dir(pid: int) -> Path:
    return Path(tempfile.gettempdir()) / f"{_PREFIX}{pid}"


def _is_owned_by_us(folder: Path) -> bool:
    # A folder of temporary files is anyone's: a name that can be guessed may have been taken.
    if os.name == "nt":
        return True
    status = folder.lstat()
    return status.st_uid == os.geteuid() and not folder.is_symlink()
