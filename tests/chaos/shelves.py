"""A shelf of its own for a scenario, and new versions on it, good and bad."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from models_store.layout import MANIFEST, sha256_of

__all__ = ["copy_shelf", "publish_again", "publish_damaged", "withdraw"]


def copy_shelf(store: Path, folder: Path, models: Iterable[str]) -> Path:
    """The newest version of each of `models`, as version 1."""
    shelf = folder / "shelf"
    for name in models:
        newest = max((store / name).iterdir(), key=lambda path: int(path.name))
        _put(newest, shelf, name, 1)
    return shelf


def publish_again(shelf: Path, name: str, *, keep: int = 1) -> int:
    """What is there once more as the next version; of the older ones, `keep` stay."""
    versions = _versions(shelf, name)
    version = _put(shelf / name / str(versions[-1]), shelf, name, versions[-1] + 1)
    for old in versions[: max(0, len(versions) - keep)]:
        withdraw(shelf / name / str(old))
    return version


def withdraw(folder: Path) -> None:
    """Take a version off the shelf at once, and only then delete it file by file."""
    gone = folder.parent.parent / f".{folder.parent.name}-{folder.name}-gone"
    folder.rename(gone)
    shutil.rmtree(gone)


def publish_damaged(shelf: Path, name: str, how: str) -> Path:
    """A next version that is no good: `flipped`, `cut`, `empty`, `lying` (only its answers differ).

    Returns its folder.
    """
    good = _versions(shelf, name)[-1]
    beside = shelf / f".{name}-damaged"
    shutil.copytree(shelf / name / str(good), beside)
    _renumber(beside, good + 1)
    graph = next(beside.glob("*.onnx"))
    data = bytearray(graph.read_bytes())
    if how == "flipped":
        data[len(data) // 2] ^= 0x40
    elif how == "cut":
        del data[len(data) // 2 :]
    elif how == "lying":
        _exchange_golden(beside)
    else:
        data.clear()
    graph.write_bytes(data)
    folder = shelf / name / str(good + 1)
    beside.rename(folder)
    return folder


def _versions(shelf: Path, name: str) -> list[int]:
    return sorted(int(path.name) for path in (shelf / name).iterdir())


def _put(source: Path, shelf: Path, name: str, version: int) -> int:
    beside = shelf / f".{name}-{version}"
    (shelf / name).mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, beside)
    _renumber(beside, version)
    beside.rename(shelf / name / str(version))
    return version


def _renumber(folder: Path, version: int) -> None:
    path = folder / MANIFEST
    manifest = json.loads(path.read_text())
    manifest["version"] = version
    path.write_text(json.dumps(manifest))


def _exchange_golden(folder: Path) -> None:
    """Golden outputs that the graph does not give, with a hash that fits."""
    path = folder / "golden.npz"
    with np.load(path) as stored:
        arrays = {key: stored[key] + ("/outputs/" in key) for key in stored.files}
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    manifest = json.loads((folder / MANIFEST).read_text())
    for one in manifest["files"]:
        if one["role"] == "golden":
            one |= {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
    (folder / MANIFEST).write_text(json.dumps(manifest))
