"""Publishing: written under a hidden name, verified there, then renamed into place.

A reader sees a whole version or none. Two publishers of one name get two versions: the rename of
a folder onto an existing, non-empty one fails, and the slower publisher takes the next number.

What is renamed was read back from the disk first, as a service will read it.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from models_store.errors import LayoutError, ManifestError
from models_store.layout import MANIFEST, SIGNATURE, file_sha256, next_version, validate_name
from models_store.manifest import Manifest, ModelFile
from models_store.staging import staging_dir
from models_store.verify import check_files, parse_manifest, read_manifest

__all__ = ["add_variant", "file_entry", "fsync", "fsync_dir", "publish_version"]


def file_entry(path: Path, **fields: object) -> ModelFile:
    """The manifest's entry for a file that lies at `path`: its name, bytes and hash filled in."""
    return ModelFile.model_validate(
        {
            "path": path.name,
            "bytes": path.stat().st_size,
            "sha256": file_sha256(path),
            **fields,
        }
    )


def publish_version(
    store: Path,
    name: str,
    build: Callable[[Path, int], Manifest],
    verify: Callable[[Path, Manifest], None],
) -> Path:
    """Put a new version of `name` on the shelf and return its folder.

    `build(folder, version)` writes the files and returns the manifest; `verify(folder, manifest)`
    raises when the result must not be served. Whatever raises, nothing becomes visible.

    Raises:
        LayoutError: when `name` is no name, or its folder in the store cannot be written or is
            full.
        ManifestError: when the manifest is of another model, or does not read back.
        DamageError: when a file that the manifest lists is not what it says.
    """
    with staging_dir(store / validate_name(name)) as partial:
        version = next_version(store, name)
        manifest = build(partial, version)
        _check_identity(name, version, manifest)
        _write_manifest(partial, manifest)
        check_files(partial, parse_manifest(partial))
        verify(partial, manifest)
        fsync_dir(partial)
        return _move_into_place(partial, store, manifest)


def add_variant(
    folder: Path,
    build: Callable[[Path, Manifest], Manifest],
    verify: Callable[[Path, Manifest], None],
) -> Manifest:
    """Put quantised graphs beside those of the version in `folder`, which stay as they are.

    `build(partial, manifest)` writes the new files into an empty folder and returns the manifest
    with them; `verify` as in `publish`. A reader sees the old manifest, which knows nothing of the
    new files, or the new one and all of them.

    Raises:
        ManifestError: when a file that was there, or what was said of it, has changed; or when
            the version is signed.
        DamageError: as `publish`.
    """
    original = read_manifest(folder)
    if (folder / SIGNATURE).exists():
        raise ManifestError(
            f"{original.name} {original.version} is signed as it is: publish another version, "
            f"or remove {SIGNATURE} and sign it again afterwards"
        )
    check_files(folder, original)
    with staging_dir(folder.parent) as partial:
        updated = build(partial, original)
        new_files = [file for file in updated.files if file not in original.files]
        _check_unchanged(original, updated, {path.name for path in partial.iterdir()})
        for file in original.files:
            os.link(folder / file.path, partial / file.path)
        _write_manifest(partial, updated)
        check_files(partial, parse_manifest(partial))
        verify(partial, updated)
        fsync_dir(partial)
        for file in new_files:
            (partial / file.path).replace(folder / file.path)
        fsync_dir(folder)
        (partial / MANIFEST).replace(folder / MANIFEST)
        fsync_dir(folder)
        shutil.rmtree(partial)
    return updated


def _check_unchanged(original: Manifest, updated: Manifest, written: set[str]) -> None:
    mutable_fields = {"files", "metrics", "variants", "served"}
    if original.model_dump(exclude=mutable_fields) != updated.model_dump(exclude=mutable_fields):
        raise ManifestError("a variant changes nothing of what was said about the version")
    if updated.files[: len(original.files)] != original.files:
        raise ManifestError("a variant leaves the files that were there as they are")
    overwritten = written & {file.path for file in original.files}
    if overwritten:
        raise ManifestError(f"{', '.join(sorted(overwritten))} is there already")


def _check_identity(name: str, version: int, manifest: Manifest) -> None:
    expected, built = f"{name} {version}", f"{manifest.name} {manifest.version}"
    if expected != built:
        raise ManifestError(f"the manifest is of {built}, but {expected} is being published")


def _write_manifest(folder: Path, manifest: Manifest) -> None:
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")


def fsync_dir(folder: Path) -> None:
    """To the disk: the rename must not become durable before what it makes visible."""
    for path in (*folder.iterdir(), folder):
        fsync(path)


def fsync(path: Path) -> None:
    """A file's bytes, or a folder's names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _move_into_place(partial: Path, store: Path, manifest: Manifest) -> Path:
    while True:
        target = store / manifest.name / str(manifest.version)
        try:
            partial.rename(target)
        except OSError as error:
            if not os.path.lexists(target):
                raise LayoutError(f"{target} cannot be written: {error.strerror}") from error
            manifest = manifest.model_copy(update={"version": next_version(store, manifest.name)})
            _write_manifest(partial, manifest)
            fsync_dir(partial)
        else:
            fsync(target.parent)
            return target
