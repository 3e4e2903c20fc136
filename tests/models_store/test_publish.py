import json
import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models_store.errors import IntegrityError, LayoutError, ManifestError
from models_store.layout import list_model_names, list_versions
from models_store.manifest import Manifest
from models_store.publish import file_entry, publish_version
from models_store.verify import check_files, read_manifest
from tests.waiting import LIMIT_S

Build = Callable[[Path, int], Manifest]


class _Broken(Exception):
    pass


@pytest.fixture
def build(store: Path) -> Build:
    """Return a function that builds a version of `paint` from the files of a published one."""
    source = store / "paint" / "1"
    manifest = read_manifest(source)

    def build(folder: Path, version: int) -> Manifest:
        for file in manifest.files:
            shutil.copy(source / file.path, folder)
        return manifest.model_copy(update={"version": version})

    return build


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Return a store that does not exist yet."""
    return tmp_path / "new" / "store"


def _accept(folder: Path, manifest: Manifest) -> None:
    pass


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_versions_are_numbered_from_one_and_never_reused(target: Path, build: Build) -> None:
    folders = [publish_version(target, "paint", build, _accept) for _ in range(3)]
    assert folders == [target / "paint" / str(version) for version in (1, 2, 3)]
    shutil.rmtree(folders[1])
    assert publish_version(target, "paint", build, _accept).name == "4"


def test_published_version_is_complete_and_readable_by_all(target: Path, build: Build) -> None:
    folder = publish_version(target, "paint", build, _accept)
    assert _names(folder) == ["golden.npz", "manifest.json", "model.onnx", "preview.png"]
    assert folder.stat().st_mode & 0o777 == 0o755
    check_files(folder, read_manifest(folder))
    assert _names(target / "paint") == ["1"]


def test_nothing_is_visible_before_it_is_verified(target: Path, build: Build) -> None:
    seen = []

    def check() -> None:
        seen.append((list_model_names(target), list_versions(target, "paint")))

    def watched(folder: Path, version: int) -> Manifest:
        check()
        manifest = build(folder, version)
        check()
        return manifest

    def verify(folder: Path, manifest: Manifest) -> None:
        check()
        # By now it is what will be renamed, manifest and all.
        assert json.loads((folder / "manifest.json").read_text())["version"] == 1
        check_files(folder, manifest)

    publish_version(target, "paint", watched, verify)
    assert seen == [([], [])] * 3
    check()
    assert seen[-1] == (["paint"], [1])


@pytest.mark.parametrize("error", [_Broken, KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("stage", ["build", "verify"])
@pytest.mark.parametrize("earlier", [0, 1])
def test_failed_publication_leaves_nothing(
    target: Path, build: Build, stage: str, error: type[BaseException], earlier: int
) -> None:
    for _ in range(earlier):
        publish_version(target, "paint", build, _accept)

    def broken_build(folder: Path, version: int) -> Manifest:
        manifest = build(folder, version)
        if stage == "build":
            raise error
        return manifest

    def broken_verify(folder: Path, manifest: Manifest) -> None:
        raise error

    with pytest.raises(error):
        publish_version(target, "paint", broken_build, broken_verify)
    assert _names(target) == ["paint"][:earlier]
    assert list_versions(target, "paint") == [1][:earlier]
    if earlier:
        assert _names(target / "paint") == ["1"]


def test_a_file_that_changes_after_it_was_described_is_not_published(
    target: Path, build: Build
) -> None:
    def late(folder: Path, version: int) -> Manifest:
        manifest = build(folder, version)
        (folder / "model.onnx").write_bytes(b"later")
        return manifest

    with pytest.raises(IntegrityError, match=r"model\.onnx has 5 bytes, not the published"):
        publish_version(target, "paint", late, _accept)
    assert _names(target) == []


@pytest.mark.parametrize("changes", [{"name": "blur"}, {"version": 7}])
def test_a_manifest_of_another_model_is_not_published(
    target: Path, build: Build, changes: dict[str, object]
) -> None:
    def other(folder: Path, version: int) -> Manifest:
        return build(folder, version).model_copy(update=changes)

    with pytest.raises(ManifestError, match="but paint 1 is being published"):
        publish_version(target, "paint", other, _accept)
    assert _names(target) == []


def test_a_manifest_that_would_not_be_read_again_is_not_published(
    target: Path, build: Build
) -> None:
    def endless(folder: Path, version: int) -> Manifest:
        return build(folder, version).model_copy(update={"summary": "s" * (4 << 20)})

    with pytest.raises(ManifestError, match=r"manifest\.json is over 4 MiB"):
        publish_version(target, "paint", endless, _accept)
    assert _names(target) == []


@pytest.mark.parametrize("name", ["../paint", "Paint", "", "p/1", ".partial-x"])
def test_invalid_name_is_rejected_before_anything_is_written(
    target: Path, build: Build, name: str
) -> None:
    with pytest.raises(LayoutError, match="is not a model name"):
        publish_version(target, name, build, _accept)
    assert not target.parent.exists()


def test_publishers_of_one_name_get_versions_of_their_own(target: Path, build: Build) -> None:
    count = 4
    started = threading.Barrier(count)

    def together(folder: Path, version: int) -> Manifest:
        assert version == 1
        manifest = build(folder, version)
        started.wait(LIMIT_S)  # every publisher chose version 1 before any renames
        return manifest

    with ThreadPoolExecutor(count) as pool:
        running = [
            pool.submit(publish_version, target, "paint", together, _accept) for _ in range(count)
        ]
        folders = [future.result() for future in running]
    assert sorted(folder.name for folder in folders) == ["1", "2", "3", "4"]
    assert _names(target / "paint") == ["1", "2", "3", "4"]
    for folder in folders:
        manifest = read_manifest(folder)  # which checks that the manifest matches the folder
        assert manifest.version == int(folder.name)
        check_files(folder, manifest)


def test_a_publisher_that_fails_does_not_disturb_one_that_begins(
    target: Path, build: Build
) -> None:
    # The failing one tries to take its empty folder away while the other already writes there.
    def fail(folder: Path, version: int) -> Manifest:
        raise _Broken

    def around(folder: Path, version: int) -> Manifest:
        with pytest.raises(_Broken):
            publish_version(target, "paint", fail, _accept)
        return build(folder, version)

    assert publish_version(target, "paint", around, _accept).name == "1"


@pytest.mark.parametrize("kind", ["file", "link", "dangling link"])
def test_existing_entries_are_skipped(target: Path, build: Build, kind: str) -> None:
    def obstructed(folder: Path, version: int) -> Manifest:
        obstacle = target / "paint" / str(version)
        if kind == "file":
            obstacle.write_text("")
        else:
            obstacle.symlink_to(target if kind == "link" else "nowhere")
        return build(folder, version)

    folder = publish_version(target, "paint", obstructed, _accept)
    assert folder.name == "2"
    assert read_manifest(folder).version == 2


def test_a_rename_that_fails_is_an_error_and_leaves_nothing(
    target: Path, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rename(self: Path, target: Path) -> Path:
        raise OSError(5, os.strerror(5))

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(LayoutError, match=r"paint/1 cannot be written: Input/output error"):
        publish_version(target, "paint", build, _accept)
    assert _names(target) == []


def test_a_store_that_cannot_be_written_is_an_error(tmp_path: Path, build: Build) -> None:
    (tmp_path / "store").write_text("a file")
    with pytest.raises(LayoutError, match="store/paint cannot be written: Not a directory"):
        publish_version(tmp_path / "store", "paint", build, _accept)


def test_model_folder_that_is_a_link_is_rejected(target: Path, build: Build) -> None:
    (target / "elsewhere").mkdir(parents=True)
    (target / "paint").symlink_to("elsewhere")
    with pytest.raises(LayoutError, match="paint is a link; links in a store are not followed"):
        publish_version(target, "paint", build, _accept)
    assert _names(target / "elsewhere") == []


def test_a_file_is_described_by_its_name_size_and_hash(tmp_path: Path) -> None:
    (tmp_path / "golden.npz").write_bytes(b"abc")
    file = file_entry(tmp_path / "golden.npz", role="golden")
    assert (file.path, file.bytes, file.role) == ("golden.npz", 3, "golden")
    # FIPS 180-4, the example "abc"
    assert file.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
