"""Copy a store for a scenario, and publish good and bad versions to it."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from models_store.layout import MANIFEST, file_sha256


def copy_store(store: Path, folder: Path, models: Iterable[str]) -> Path:
    """Copy the newest version of each of `models`, as version 1."""
    target = folder / "store"
    for name in models:
        newest = max((store / name).iterdir(), key=lambda path: int(path.name))
        _copy_version(newest, target, name, 1)
    return target


def republish(store: Path, name: str, *, keep: int = 1) -> int:
    """Publish the latest version again under the next number; keep `keep` older versions."""
    versions = _versions(store, name)
    version = _copy_version(store / name / str(versions[-1]), store, name, versions[-1] + 1)
    for version_number in versions[: max(0, len(versions) - keep)]:
        remove_version(store / name / str(version_number))
    return version


def remove_version(folder: Path) -> None:
    """Rename a version out of the store, then delete its files."""
    trash = folder.parent.parent / f".{folder.parent.name}-{folder.name}-gone"
    folder.rename(trash)
    shutil.rmtree(trash)


def publish_corrupted(store: Path, name: str, damage: str) -> Path:
    """Publish a bad next version: `flipped`, `cut`, `empty` or `lying` (wrong golden outputs).

    Returns its folder.
    """
    last_version = _versions(store, name)[-1]
    staging = store / f".{name}-damaged"
    shutil.copytree(store / name / str(last_version), staging)
    _renumber(staging, last_version + 1)
    graph = next(staging.glob("*.onnx"))
    data = bytearray(graph.read_bytes())
    if damage == "flipped":
        data[len(data) // 2] ^= 0x40
    elif damage == "cut":
        del data[len(data) // 2 :]
    elif damage == "lying":
        _falsify_golden(staging)
    else:
        data.clear()
    graph.write_bytes(data)
    folder = store / name / str(last_version + 1)
    staging.rename(folder)
    return folder


def _versions(store: Path, name: str) -> list[int]:
    return sorted(int(path.name) for path in (store / name).iterdir())


def _copy_version(source: Path, store: Path, name: str, version: int) -> int:
    staging = store / f".{name}-{version}"
    (store / name).mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, staging)
    _renumber(staging, version)
    staging.rename(store / name / str(version))
    return version


def _renumber(folder: Path, version: int) -> None:
    path = folder / MANIFEST
    manifest = json.loads(path.read_text())
    manifest["version"] = version
    path.write_text(json.dumps(manifest))


def _falsify_golden(folder: Path) -> None:
    """Replace the golden outputs by wrong ones, with matching hashes."""
    path = folder / "golden.npz"
    with np.load(path) as stored:
        arrays = {key: stored[key] + ("/outputs/" in key) for key in stored.files}
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    manifest = json.loads((folder / MANIFEST).read_text())
    for entry in manifest["files"]:
        if entry["role"] == "golden":
            entry |= {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
    (folder / MANIFEST).write_text(json.dumps(manifest))
