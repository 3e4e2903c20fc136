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
from models_store.layout import MANIFEST, SIGNATURE, checked_name, next_version, sha256_of
from models_store.manifest import Manifest, ModelFile
from models_store.staging import unpublished
from models_store.verify import check_files, parse_manifest, read_manifest

__all__ = ["add_variant", "describe", "flush", "publish", "sync"]


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

    Raises:
        LayoutError: when `name` is no name, or its folder in the store cannot be written or is
            full.
        ManifestError: when the manifest is of another model, or does not read back.
        DamageError: when a file that the manifest lists is not what it says.
    """
    with unpublished(store / checked_name(name)) as partial:
        version = next_version(store, name)
        manifest = build(partial, version)
        _expect(name, version, manifest)
        _write_manifest(partial, manifest)
        check_files(partial, parse_manifest(partial))
        verify(partial, manifest)
        flush(partial)
        return _rename(partial, store, manifest)


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
    before = read_manifest(folder)
    if (folder / SIGNATURE).exists():
        raise ManifestError(
            f"{before.name} {before.version} is signed as it is: publish another version, "
            f"or remove {SIGNATURE} and sign it again afterwards"
        )
    check_files(folder, before)
    with unpublished(folder.parent) as partial:
        after = build(partial, before)
        new = [file for file in after.files if file not in before.files]
        _expect_kept(before, after, {path.name for path in partial.iterdir()})
        for file in before.files:
            os.link(folder / file.path, partial / file.path)
        _write_manifest(partial, after)
        check_files(partial, parse_manifest(partial))
        verify(partial, after)
        flush(partial)
        for file in new:
            (partial / file.path).replace(folder / file.path)
        flush(folder)
        (partial / MANIFEST).replace(folder / MANIFEST)
        flush(folder)
        shutil.rmtree(partial)
    return after


def _expect_kept(before: Manifest, after: Manifest, written: set[str]) -> None:
    kept = {"files", "metrics", "variants", "served"}
    if before.model_dump(exclude=kept) != after.model_dump(exclude=kept):
        raise ManifestError("a variant changes nothing of what was said about the version")
    if after.files[: len(before.files)] != before.files:
        raise ManifestError("a variant leaves the files that were there as they are")
    taken = written & {file.path for file in before.files}
    if taken:
        raise ManifestError(f"{', '.join(sorted(taken))} is there already")


def _expect(name: str, version: int, manifest: Manifest) -> None:
    asked, built = f"{name} {version}", f"{manifest.name} {manifest.version}"
    if asked != built:
        raise ManifestError(f"the manifest is of {built}, but {asked} is being published")


def _write_manifest(folder: Path, manifest: Manifest) -> None:
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")


def flush(folder: Path) -> None:
    """To the disk: the rename must not become durable before what it makes visible."""
    for path in (*folder.iterdir(), folder):
        sync(path)


def sync(path: Path) -> None:
    """A file's bytes, or a folder's names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _rename(partial: Path, store: Path, manifest: Manifest) -> Path:
    while True:
        target = store / manifest.name / str(manifest.version)
        try:
            partial.rename(target)
        except OSError as error:
            if not os.path.lexists(target):
                raise LayoutError(f"{target} cannot be written: {error.strerror}") from error
            manifest = manifest.model_copy(update={"version": next_version(store, manifest.name)})
            _write_manifest(partial, manifest)
            flush(partial)
        else:
            sync(target.parent)
            return target
