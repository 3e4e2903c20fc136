import hashlib
from pathlib import Path

import pytest

from models_store.errors import LayoutError
from models_store.layout import (
    file_sha256,
    list_model_names,
    list_versions,
    next_version,
    version_dir,
)

HOSTILE = [
    "", ".", "..", "../paint", "a/b", "paint/1", "/etc", "Paint", "pa int", "-paint", "paint-",
    "1paint", ".partial-abc", "p", "a" * 65, "paint\n", "pa\0int", "модель",
]  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Folders alone: the layout does not look into them."""
    for path in ("paint/1", "paint/2", "paint/10", "blur/3"):
        (tmp_path / "store" / path).mkdir(parents=True)
    return tmp_path / "store"


def test_names_are_sorted_and_versions_ascend_as_numbers(store: Path) -> None:
    assert list_model_names(store) == ["blur", "paint"]
    assert list_versions(store, "paint") == [1, 2, 10]
    assert version_dir(store, "paint", 10) == store / "paint" / "10"


@pytest.mark.parametrize("path", ["__pycache__/1", ".git/1", "Paint/1", "-x/1", "empty", "x y/1"])
def test_other_folders_are_ignored(store: Path, path: str) -> None:
    (store / path).mkdir(parents=True)
    assert list_model_names(store) == ["blur", "paint"]


@pytest.mark.parametrize(
    "entry", ["0", "01", "-1", "+1", "1.0", "1 ", "٣", "v3", ".partial-x", "1234567890"]
)
def test_folders_without_a_version_number_are_ignored(store: Path, entry: str) -> None:
    (store / "paint" / entry).mkdir()
    assert list_versions(store, "paint") == [1, 2, 10]


def test_files_are_neither_models_nor_versions(store: Path) -> None:
    (store / "readme").write_text("")
    (store / "paint" / "11").write_text("")
    assert list_model_names(store) == ["blur", "paint"]
    assert list_versions(store, "paint") == [1, 2, 10]


def test_links_are_ignored(store: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "1").mkdir(parents=True)
    (store / "borrowed").symlink_to(outside)
    (store / "paint" / "11").symlink_to(outside / "1")
    (store / "paint" / "12").symlink_to("1")
    (store / "paint" / "13").symlink_to("nowhere")
    assert list_model_names(store) == ["blur", "paint"]
    assert list_versions(store, "paint") == [1, 2, 10]
    with pytest.raises(LayoutError, match="there is no model borrowed in"):
        version_dir(store, "borrowed", 1)
    for version in (11, 12):
        with pytest.raises(LayoutError, match=f"paint has no version {version} in"):
            version_dir(store, "paint", version)


def test_the_store_itself_may_be_a_link(store: Path, tmp_path: Path) -> None:
    (tmp_path / "mount").symlink_to(store)
    assert list_model_names(tmp_path / "mount") == ["blur", "paint"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_never_becomes_a_path(store: Path, name: str) -> None:
    inner = store / "blur"
    (store / "1").mkdir()  # what `..` would find from `inner`
    assert list_versions(inner, name) == []
    with pytest.raises(LayoutError, match="is not a model name: it must be 2 to 64 lower-case"):
        version_dir(inner, name, 1)
    with pytest.raises(LayoutError, match="is not a model name"):
        next_version(inner, name)


@pytest.mark.parametrize("name", ["ab", "a1", "resnet-cifar10", "a" * 64])
def test_a_plain_name_is_a_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name / "1").mkdir(parents=True)
    assert list_model_names(tmp_path) == [name]
    assert version_dir(tmp_path, name, 1) == tmp_path / name / "1"


@pytest.mark.parametrize("version", [0, -1, 3, 10**9])
def test_missing_version_error_lists_the_existing_ones(store: Path, version: int) -> None:
    (store / "paint" / "0").mkdir()  # there, but no version
    with pytest.raises(LayoutError, match=f"paint has no version {version} in .*: 1, 2, 10$"):
        version_dir(store, "paint", version)


def test_missing_model_has_no_versions(store: Path) -> None:
    assert list_versions(store, "scissors") == []
    with pytest.raises(LayoutError, match=r"there is no model scissors in .*; models: blur, paint"):
        version_dir(store, "scissors", 1)


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_path_that_is_no_store_is_an_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "store"
    if kind == "file":
        path.write_text("")
    with pytest.raises(LayoutError, match=r"there is no store at .*; set DEEPSHELF_STORE"):
        list_model_names(path)


def test_the_next_version_is_above_every_number_that_is_taken(store: Path) -> None:
    assert next_version(store, "paint") == 11
    (store / "paint" / "11").symlink_to("nowhere")
    assert next_version(store, "paint") == 12
    (store / "paint" / "12").write_text("")
    assert next_version(store, "paint") == 13


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000  # over one block of the reader
    (tmp_path / "file").write_bytes(content)
    assert file_sha256(tmp_path / "file") == hashlib.sha256(content).hexdigest()
    (tmp_path / "empty").touch()
    # FIPS 180-4's digest of nothing
    assert file_sha256(tmp_path / "empty").startswith("e3b0c44298fc1c149afbf4c8996fb924")
