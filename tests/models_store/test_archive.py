"""Versions as one file: what goes in comes out, and nothing else gets in."""

import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models_store.archive import export_versions, import_versions
from models_store.errors import ArchiveError, IntegrityError, LayoutError, ReplayError, StoreError
from models_store.layout import list_model_names, version_dir
from tests.models_store.tampering import edit_manifest, replace_file

Change = Callable[[tarfile.TarInfo, bytes], tuple[tarfile.TarInfo, bytes] | None]


@pytest.fixture
def archive(store: Path, tmp_path: Path) -> Path:
    path = tmp_path / "two.tar"
    export_versions(store, [("paint", 1), ("blur", 1)], path)
    return path


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _rewritten(archive: Path, change: Change) -> Path:
    """Rewrite every member of the archive by `change`; None removes it."""
    path = archive.with_name("changed.tar")
    with tarfile.open(archive) as source, tarfile.open(path, "w") as target:
        for entry in source:
            file = source.extractfile(entry)
            changed = change(entry, file.read() if file else b"")
            if changed is not None:
                changed[0].size = len(changed[1])
                target.addfile(changed[0], io.BytesIO(changed[1]))
    return path


@pytest.mark.parametrize("name", ["all.tar", "all.tar.gz", "all.tgz"])
def test_what_is_exported_is_imported_byte_for_byte(store: Path, tmp_path: Path, name: str) -> None:
    export_versions(store, [("paint", 2), ("paint", 1)], tmp_path / name)
    found = import_versions(tmp_path / name, tmp_path / "other")
    assert found == [(("paint", 1), True), (("paint", 2), True)]
    for number in (1, 2):
        one, other = (version_dir(s, "paint", number) for s in (store, tmp_path / "other"))
        assert _contents(one) == _contents(other)
    assert sorted(path.name for path in (tmp_path / "other" / "paint").iterdir()) == ["1", "2"]


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_the_same_versions_give_the_same_bytes(store: Path, tmp_path: Path, suffix: str) -> None:
    one, other = tmp_path / f"one{suffix}", tmp_path / f"other{suffix}"
    export_versions(store, [("paint", 1), ("blur", 1)], one)
    copy = shutil.copytree(store, tmp_path / "copy", copy_function=shutil.copy)
    export_versions(copy, [("blur", 1), ("paint", 1)], other)
    assert one.read_bytes() == other.read_bytes()


def test_existing_version_is_kept(archive: Path, tmp_path: Path) -> None:
    import_versions(archive, tmp_path / "other")
    again = import_versions(archive, tmp_path / "other")
    assert again == [(("blur", 1), False), (("paint", 1), False)]
    assert [path.name for path in (tmp_path / "other" / "paint").iterdir()] == ["1"]


def test_another_version_of_that_number_is_not_overwritten(archive: Path, own_store: Path) -> None:
    edit_manifest(own_store / "paint" / "1", lambda manifest: manifest.update(summary="Mine."))
    before = _contents(own_store / "paint" / "1")
    with pytest.raises(LayoutError, match="paint 1 exists in the store with other content"):
        import_versions(archive, own_store)
    assert _contents(own_store / "paint" / "1") == before
    assert sorted(path.name for path in (own_store / "paint").iterdir()) == ["1", "2"]


def test_keep_existing_keeps_another_version_of_that_number_and_imports_the_rest(
    archive: Path, own_store: Path
) -> None:
    edit_manifest(own_store / "paint" / "1", lambda manifest: manifest.update(summary="Mine."))
    shutil.rmtree(own_store / "blur")
    before = _contents(own_store / "paint" / "1")
    imported = import_versions(archive, own_store, keep_existing=True)
    assert imported == [(("blur", 1), True), (("paint", 1), False)]
    assert _contents(own_store / "paint" / "1") == before


def test_a_damaged_model_is_not_exported(own_store: Path, tmp_path: Path) -> None:
    graph = own_store / "paint" / "1" / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"\0")
    with pytest.raises(IntegrityError, match=r"model\.onnx is not the published file"):
        export_versions(own_store, [("blur", 1), ("paint", 1)], tmp_path / "all.tar")
    assert [path.name for path in tmp_path.iterdir() if "tar" in path.name] == []


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("../paint/1/model.onnx", "it may hold only plain files"),
        ("/paint/1/model.onnx", "it may hold only plain files"),
        ("paint/1/../../x", "it may hold only plain files"),
        ("paint/0/model.onnx", "it may hold only plain files"),
        ("paint/1/.hidden", "it may hold only plain files"),
    ],
)
def test_names_that_leave_the_folder_are_rejected(
    archive: Path, tmp_path: Path, bad: str, message: str
) -> None:
    def rename(entry: tarfile.TarInfo, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
        if entry.name == "paint/1/model.onnx":
            entry.name = bad
        return entry, content

    with pytest.raises(ArchiveError, match=message):
        import_versions(_rewritten(archive, rename), tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_members_that_are_no_plain_files_are_rejected(
    archive: Path, tmp_path: Path, kind: bytes
) -> None:
    def link(entry: tarfile.TarInfo, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
        if entry.name == "paint/1/model.onnx":
            entry.type, entry.linkname, content = kind, "/etc/passwd", b""
        return entry, content

    with pytest.raises(ArchiveError, match="it may hold only plain files"):
        import_versions(_rewritten(archive, link), tmp_path / "other")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[:-1] + b"\0", "its SHA-256 differs"),
        (
            lambda content: content + b"\0",
            r"model\.onnx should have \d+ bytes; the archive has \d+ bytes",
        ),
        (None, r"model\.onnx should have \d+ bytes; the archive has no such file"),
    ],
)
def test_a_file_that_is_not_the_published_one_keeps_its_version_out(
    archive: Path, tmp_path: Path, change: Callable[[bytes], bytes] | None, message: str
) -> None:
    def alter(entry: tarfile.TarInfo, content: bytes) -> tuple[tarfile.TarInfo, bytes] | None:
        if entry.name != "paint/1/model.onnx":
            return entry, content
        return None if change is None else (entry, change(content))

    with pytest.raises(StoreError, match=message):
        import_versions(_rewritten(archive, alter), tmp_path / "other")
    # blur was imported before it and is complete; nothing is left of paint.
    assert list_model_names(tmp_path / "other") == ["blur"]
    assert sorted(path.name for path in (tmp_path / "other").iterdir()) == ["blur"]


def test_model_with_other_golden_outputs_here_is_not_imported(
    own_store: Path, tmp_path: Path
) -> None:
    folder = own_store / "paint" / "1"
    with np.load(folder / "golden.npz") as arrays:
        golden = {
            key: arrays[key] + 0.5 if "/outputs/" in key else arrays[key] for key in arrays.files
        }
    assert any("/outputs/" in key for key in golden)
    changed = io.BytesIO()
    np.savez(changed, **golden)
    replace_file(folder, "golden.npz", changed.getvalue())
    export_versions(own_store, [("paint", 1)], tmp_path / "odd.tar")
    with pytest.raises(ReplayError):
        import_versions(tmp_path / "odd.tar", tmp_path / "other")
    assert not (tmp_path / "other" / "paint").exists()


@pytest.mark.parametrize("content", [b"", b"not a tar", b"\x1f\x8b\x08damaged"])
def test_file_that_is_no_archive_is_reported(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"not an archive of models|holds no models"):
        import_versions(path, tmp_path / "other")


def test_truncated_archive_is_reported(archive: Path, tmp_path: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:3000])
    with pytest.raises(StoreError):
        import_versions(archive, tmp_path / "other")
