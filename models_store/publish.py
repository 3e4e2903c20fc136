"""Publish versions atomically: write to a staging directory, verify, then rename into place.

Readers see a complete version or none. Concurrent publishers of one name get different versions:
renaming onto an existing folder fails, and the slower publisher takes the next number. Files are
read back from disk for verification before the rename.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from models_store.batching import Batching
from models_store.errors import LayoutError, ManifestError
from models_store.layout import MANIFEST, SIGNATURE, file_sha256, next_version, validate_name
from models_store.manifest import Manifest, ModelFile
from models_store.staging import staging_dir
from models_store.verify import check_files, parse_manifest, read_manifest


def file_entry(path: Path, **fields: object) -> ModelFile:
    """Return the manifest entry for the file at `path`, with its name, size and hash."""
    return ModelFile.model_validate(
        {"path": path.name, "bytes": path.stat().st_size, "sha256": file_sha256(path), **fields}
    )


def publish_version(
    store: Path,
    name: str,
    build: Callable[[Path, int], Manifest],
    verify: Callable[[Path, Manifest], None],
) -> Path:
    """Publish a new version of `name` and return its folder.

    `build(folder, version)` writes the files and returns the manifest; `verify(folder, manifest)`
    raises if the result must not be served. On any exception nothing becomes visible.

    Raises:
        LayoutError: when `name` is invalid, or the store is not writable or full.
        ManifestError: when the manifest belongs to another model or does not read back.
        IntegrityError: when a file does not match its manifest entry.
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
    """Add quantised graphs to the version in `folder` without changing its existing files.

    `build(partial, manifest)` writes the new files into an empty folder and returns the extended
    manifest; `verify` is as in `publish_version`. Readers see the old manifest, or the new one with
    all its files.

    Raises:
        ManifestError: when an existing file or its entry changed, or the version is signed.
        IntegrityError: as `publish_version`.
    """
    original = read_manifest(folder)
    _reject_signed(folder, original)
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
        _replace_manifest(partial, folder)
    return updated


def record_batching(folder: Path, batching: dict[str, Batching]) -> Manifest:
    """Replace what the manifest in `folder` says of batching; its files stay as they are.

    Raises:
        ManifestError: when the version is signed, or `batching` names another file than a graph
            with a free batch axis.
    """
    original = read_manifest(folder)
    _reject_signed(folder, original)
    updated = original.model_copy(update={"batching": batching})
    with staging_dir(folder.parent) as partial:
        _write_manifest(partial, updated)
        parse_manifest(partial)
        fsync_dir(partial)
        _replace_manifest(partial, folder)
    return updated


def _replace_manifest(partial: Path, folder: Path) -> None:
    (partial / MANIFEST).replace(folder / MANIFEST)
    fsync_dir(folder)
    shutil.rmtree(partial)


def _reject_signed(folder: Path, manifest: Manifest) -> None:
    if (folder / SIGNATURE).exists():
        raise ManifestError(
            f"{manifest.name} {manifest.version} is signed as it is: publish another version, "
            f"or remove {SIGNATURE} and sign it again afterwards"
        )


def _check_unchanged(original: Manifest, updated: Manifest, written: set[str]) -> None:
    mutable_fields = {"files", "metrics", "variants", "served", "batching"}
    if original.model_dump(exclude=mutable_fields) != updated.model_dump(exclude=mutable_fields):
        raise ManifestError("a variant must not change other fields of the manifest")
    if updated.files[: len(original.files)] != original.files:
        raise ManifestError("a variant must not change existing files")
    overwritten = written & {file.path for file in original.files}
    if overwritten:
        raise ManifestError(f"{', '.join(sorted(overwritten))} exists already")


def _check_identity(name: str, version: int, manifest: Manifest) -> None:
    expected, built = f"{name} {version}", f"{manifest.name} {manifest.version}"
    if expected != built:
        raise ManifestError(f"the manifest is for {built}, but {expected} is being published")


def _write_manifest(folder: Path, manifest: Manifest) -> None:
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")


def fsync_dir(folder: Path) -> None:
    """Flush a folder and its files, so that the rename is not durable before their contents."""
    for path in (*folder.iterdir(), folder):
        fsync(path)


def fsync(path: Path) -> None:
    """Flush a file's contents, or a folder's entries, to disk."""
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
