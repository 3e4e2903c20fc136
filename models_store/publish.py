"""Publishing: written under a hidden name, verified there, then renamed into place.

A reader sees a whole version or none. Two publishers of one name get two versions: the rename of
a folder onto an existing, non-empty one fails, and the slower publisher takes the next number.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from models_store.layout import MANIFEST, sha256_of, versions
from models_store.manifest import Manifest, ModelFile
from models_store.verify import check_files

__all__ = ["describe", "publish"]


def describe(path: Path, **fields: object) -> ModelFile:
    """The manifest's entry for a file that lies at `path`: its name, bytes and hash filled in."""
    return ModelFile.model_validate(
        {
            "path": path.name,
            "bytes": path.stat().st_size,
            "sha256": sha256_of(path),
            **fields,
        }
    )


def publish(
    store: Path,
    name: str,
    build: Callable[[Path, int], Manifest],
    verify: Callable[[Path, Manifest], None],
) -> Path:
    """Put a new version of `name` on the shelf and return its folder.

    `build(folder, version)` writes the files and returns the manifest; `verify(folder, manifest)`
    raises when the result must not be served. Whatever raises, nothing becomes visible.
    """
    home = store / name
    home.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=home))
    try:
        manifest = build(partial, next_version(store, name))
        _write_manifest(partial, manifest)
        check_files(partial, manifest)
        verify(partial, manifest)
        partial.chmod(0o755)
        return _rename(partial, store, manifest)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        _remove_if_empty(home)
        raise


def next_version(store: Path, name: str) -> int:
    """One more than the highest version on the shelf; 1 for a new name."""
    return max(versions(store, name), default=0) + 1


def _write_manifest(folder: Path, manifest: Manifest) -> None:
    text = manifest.model_dump_json(indent=2) + "\n"
    with (folder / MANIFEST).open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        # The rename must not become durable before what it makes visible.
        os.fsync(file.fileno())


def _rename(partial: Path, store: Path, manifest: Manifest) -> Path:
    while True:
        target = store / manifest.name / str(manifest.version)
        try:
            partial.rename(target)
        except OSError:
            if not target.exists():
                raise
            manifest = manifest.model_copy(update={"version": next_version(store, manifest.name)})
            _write_manifest(partial, manifest)
        else:
            return target


def _remove_if_empty(home: Path) -> None:
    try:
        home.rmdir()
    except OSError:
        return  # it holds other versions
