"""Publishes `paint` into a store, over and over, and is killed at each thing that it does to files.

    python -m tests.models_store.killed SOURCE STORE

A fork of this process publishes a copy of the version in SOURCE and kills itself, with SIGKILL,
before its first call that touches the file system; the next fork before its second; until one lives
to the end. After each, one line: the number of the call, its name, and what the store holds.
"""

import os
import shutil
import signal
import sys
from functools import partial
from pathlib import Path

from models_store.layout import list_versions
from models_store.manifest import Manifest
from models_store.publish import publish_version
from models_store.verify import check_files, read_manifest

_CALLS = frozenset(
    {"open", "os.chmod", "os.listdir", "os.mkdir", "os.remove", "os.rename", "os.rmdir",
     "os.scandir", "shutil.copyfile", "shutil.rmtree", "tempfile.mkdtemp", "fcntl.flock"}
)  # fmt: skip


def _build(folder: Path, version: int, source: Path) -> Manifest:
    manifest = read_manifest(source)
    for file in manifest.files:
        shutil.copy(source / file.path, folder)
    return manifest.model_copy(update={"version": version})


def _publish(source: Path, store: Path) -> None:
    publish_version(store, "paint", partial(_build, source=source), check_files)


def _killed_at(number: int, source: Path, store: Path) -> None:
    calls = 0

    def count(event: str, _: tuple[object, ...]) -> None:
        nonlocal calls
        if event in _CALLS:
            calls += 1
            if calls == number:
                os.write(1, f"{number} {event} ".encode())
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    _publish(source, store)
    os.write(1, f"{number} end ".encode())
    os._exit(0)


def _holds(store: Path) -> str:
    """Return the complete versions and the hidden folders. Raises if a version is incomplete."""
    for version in list_versions(store, "paint"):
        folder = store / "paint" / str(version)
        check_files(folder, read_manifest(folder))
    hidden = list((store / "paint").glob(".*")) if store.exists() else []
    return f"{len(list_versions(store, 'paint'))} {len(hidden)}"


def main(source: Path, store: Path) -> None:
    status, number = 1, 0
    while status:
        number += 1
        child = os.fork()
        if not child:
            _killed_at(number, source, store)
        status = os.waitpid(child, 0)[1]
        assert status in (0, signal.SIGKILL), status
        os.write(1, f"{_holds(store)}\n".encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
