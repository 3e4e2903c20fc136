"""Export versions to a tar archive, and import them with the same checks as publishing.

Members are `<name>/<version>/<file>`, manifests first; the same versions give the same bytes. An
imported version becomes visible only after its names and hashes have been checked and its golden
cases have been replayed on this machine.
"""

import gzip
import re
import shutil
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from models_store.errors import ArchiveError, LayoutError, ManifestError, StoreError
from models_store.layout import MANIFEST, SIGNATURE, validate_name, version_dir
from models_store.manifest import Manifest
from models_store.onnx.runtime import verify_graphs
from models_store.publish import fsync, fsync_dir
from models_store.signing.signatures import TrustedKeys
from models_store.staging import staging_dir
from models_store.verify import (
    MAX_MANIFEST_BYTES,
    MAX_SIGNATURE_BYTES,
    check_files,
    parse_manifest,
    read_manifest,
)

VersionId = tuple[str, int]
"""A model's name and version number."""

_MEMBER = re.compile(
    r"([a-z][a-z0-9-]{0,62}[a-z0-9])/([1-9][0-9]{0,8})/([A-Za-z0-9][A-Za-z0-9_.-]{0,126})"
)
_MAX_FILES_PER_VERSION = 64


def export_versions(store: Path, selected: Sequence[VersionId], path: Path) -> None:
    """Write `selected` versions to `path`, compressed when it ends in `.gz`.

    The same versions give the same bytes, because the archive holds no user name and no clock time.
    Compressed bytes also depend on the version of zlib.

    Raises:
        StoreError: when a version is missing or damaged; then nothing is written.
    """
    partial = path.with_name(f".partial-{path.name}")
    try:
        with _open_tar(partial, path.suffix in (".gz", ".tgz")) as tar:
            for name, number in sorted(selected):
                folder = version_dir(store, name, number)
                manifest = read_manifest(folder)
                check_files(folder, manifest)
                signature_files = [SIGNATURE] if (folder / SIGNATURE).is_file() else []
                for file in (
                    MANIFEST,
                    *signature_files,
                    *sorted(file.path for file in manifest.files),
                ):
                    _add_file(tar, folder / file, f"{name}/{number}/{file}", manifest)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _open_tar(path: Path, compressed: bool) -> Iterator[tarfile.TarFile]:
    with ExitStack() as stack:
        file: IO[bytes] | gzip.GzipFile = stack.enter_context(path.open("wb"))
        if compressed:  # tarfile's own "w:gz" writes the time into it
            file = stack.enter_context(gzip.GzipFile("", "wb", fileobj=file, mtime=0))
        yield stack.enter_context(tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT))


def _add_file(tar: tarfile.TarFile, path: Path, name: str, manifest: Manifest) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = path.stat().st_size
    entry.mtime = int(manifest.created.timestamp())
    with path.open("rb") as file:
        tar.addfile(entry, file)


def import_versions(
    path: Path, store: Path, trusted_keys: TrustedKeys | None = None, *, keep_existing: bool = False
) -> list[tuple[VersionId, bool]]:
    """Import the versions of an archive; return each with a flag that says if it was new.

    A version that exists already with the same manifest is kept. Versions are imported one by one:
    if one fails, earlier ones stay and the failed one leaves no files. With `keep_existing`, a
    different version of the same name and number in the store is kept, too.

    Raises:
        ArchiveError: not an archive of versions, or a damaged one.
        LayoutError: a different version of the same name and number exists and is not to be kept,
            or the store is not writable.
        SignatureError: `trusted_keys` is given, and none of the keys signed a version.
        StoreError: files do not match the manifest, or the golden cases fail on this machine.
    """
    try:
        with tarfile.open(path, "r:*") as tar:
            return [
                (
                    version,
                    not (keep_existing and (store / version[0] / str(version[1])).is_dir())
                    and _import_version(tar, version, members, store, trusted_keys),
                )
                for version, members in _group_by_version(tar.getmembers())
            ]
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise ArchiveError(f"{path} is not an archive of models: {error}") from error


def _group_by_version(
    entries: Iterable[tarfile.TarInfo],
) -> list[tuple[VersionId, dict[str, tarfile.TarInfo]]]:
    """Return the files of each version by name, with the versions in order."""
    by_version: dict[VersionId, dict[str, tarfile.TarInfo]] = {}
    for entry in entries:
        parts = _MEMBER.fullmatch(entry.name)
        if not entry.isreg() or parts is None:
            raise ArchiveError(
                f"the archive holds {entry.name[:200]!r}; it may hold only plain files named "
                "<name>/<version>/<file>"
            )
        files = by_version.setdefault((parts[1], int(parts[2])), {})
        if parts[3] in files:
            raise ArchiveError(f"the archive holds {entry.name} twice")
        files[parts[3]] = entry
        if len(files) > _MAX_FILES_PER_VERSION:
            raise ArchiveError(
                f"{parts[1]} {parts[2]} has more than {_MAX_FILES_PER_VERSION} files"
            )
    if not by_version:
        raise ArchiveError("the archive holds no models")
    return sorted(by_version.items())


def _import_version(
    tar: tarfile.TarFile,
    version: VersionId,
    entries: dict[str, tarfile.TarInfo],
    store: Path,
    trusted_keys: TrustedKeys | None,
) -> bool:
    name, number = version
    model_dir = store / validate_name(name)
    if MANIFEST not in entries:
        raise ArchiveError(f"the archive has no {MANIFEST} for {name} {number}")
    with staging_dir(model_dir) as partial:
        if entries[MANIFEST].size > MAX_MANIFEST_BYTES:
            raise ManifestError(f"{MANIFEST} of {name} {number} is over 4 MiB")
        # The manifest states the size of each file; longer files are not unpacked.
        _extract(tar, entries[MANIFEST], partial)
        if SIGNATURE in entries and entries[SIGNATURE].size <= MAX_SIGNATURE_BYTES:
            _extract(tar, entries[SIGNATURE], partial)
        manifest = parse_manifest(partial, trusted_keys)
        if (manifest.name, manifest.version) != version:
            raise ManifestError(
                f"{MANIFEST} of {name} {number} is for {manifest.name} {manifest.version}"
            )
        for file in manifest.files:
            entry = entries.get(file.path)
            if entry is None or entry.size != file.bytes:
                size = "no such file" if entry is None else f"{entry.size} bytes"
                raise ArchiveError(
                    f"{name} {number}: {file.path} should have {file.bytes} bytes; "
                    f"the archive has {size}"
                )
            _extract(tar, entry, partial)
        check_files(partial, manifest)
        verify_graphs(partial, manifest)
        fsync_dir(partial)
        return _move_into_place(partial, model_dir / str(number))


def _extract(tar: tarfile.TarFile, entry: tarfile.TarInfo, folder: Path) -> None:
    source = tar.extractfile(entry)
    if source is None:
        raise ArchiveError(f"{entry.name} is not a plain file")
    with source, (folder / entry.name.rpartition("/")[2]).open("xb") as target:
        shutil.copyfileobj(source, target)


def _move_into_place(partial: Path, target: Path) -> bool:
    """Make the version visible; return False if the same version exists already."""
    try:
        partial.rename(target)
    except OSError as error:
        if not target.is_dir():
            raise LayoutError(f"{target} cannot be written: {error.strerror}") from error
        if not _same_manifest(partial, target):
            raise LayoutError(
                f"{target.parent.name} {target.name} exists in the store with other content"
            ) from error
        shutil.rmtree(partial)
        return False
    fsync(target.parent)
    return True


def _same_manifest(first: Path, second: Path) -> bool:
    """Compare the manifests, which hold the hashes of all other files."""
    try:
        return parse_manifest(first) == parse_manifest(second)
    except StoreError:
        return False
