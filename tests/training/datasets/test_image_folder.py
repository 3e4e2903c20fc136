import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.training.photos import write_gray_images
from training.datasets.base import ImageData, class_counts
from training.datasets.image_folder import ImageFolder, UnlabelledImageFolder
from training.errors import DataError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "insects"
    write_gray_images(root / "bees", 20, first=100)
    write_gray_images(root / "ants", 10)
    return root


def _load(root: Path, **settings: Any) -> ImageData:
    return ImageFolder(path=root, size=(8, 8), **settings).load()


def test_classes_are_the_folders_by_name_and_each_is_split_in_proportion(root: Path) -> None:
    data = _load(root, test_fraction=0.3)
    assert data.labels == ("ants", "bees")
    assert class_counts(data.train.labels_N, data.labels) == {"ants": 7, "bees": 14}
    assert class_counts(data.test.labels_N, data.labels) == {"ants": 3, "bees": 6}
    assert (data.channels, data.size_HW) == (3, (8, 8))


def test_every_image_is_in_one_split_with_its_own_label(root: Path) -> None:
    data = _load(root, validation_size=4)
    assert data.validation is not None
    assert len(data.validation) == 4
    seen = {}
    for split in (data.train, data.validation, data.test):
        for image, label in zip(split.images_NCHW, split.labels_N.tolist(), strict=True):
            seen[int(image[0, 4, 4])] = data.labels[label]
    assert seen == dict.fromkeys(range(10), "ants") | {100 + i: "bees" for i in range(20)}


def test_the_split_depends_on_the_seed_alone(root: Path) -> None:
    first, again, other = (_load(root, seed=seed, validation_size=3) for seed in (1, 1, 2))
    assert first.train.sha256 == again.train.sha256
    assert first.test.sha256 == again.test.sha256
    assert first.test.sha256 != other.test.sha256


_ALIKE = {
    "case": ("Bees", "bees"),
    "full case folding": ("Straße", "STRASSE"),
    "normalisation": ("caf\u00e9", "cafe\u0301"),
    "both": ("CAF\u00c9", "cafe\u0301"),
    "compatibility": ("\ufb01sh", "fish"),
}


@pytest.mark.parametrize("names", _ALIKE.values(), ids=_ALIKE)
def test_folders_with_similar_names_are_rejected_by_name(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    for name in names:
        write_gray_images(tmp_path / "root" / name, 3)
    if len(list((tmp_path / "root").iterdir())) == 1:
        pytest.skip("this file system holds them as one folder")
    with pytest.raises(DataError, match="differ only in case or Unicode") as caught:
        _load(tmp_path / "root")
    assert all(name in str(caught.value) for name in names)


def test_files_that_are_not_images_are_counted_and_named_by_kind(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    others = ("IMG_2.MOV", "IMG_1.mov", "_DSC3.NEF", "README", "notes.txt", ".DS_Store")
    for name in others:
        (root / "ants" / name).write_bytes(b"")
    assert class_counts(_load(root).train.labels_N, ("ants", "bees")) == {"ants": 8, "bees": 16}
    (message,) = (record.getMessage() for record in caplog.records)
    assert message == (
        "files that are not images are skipped: 2 .mov, such as IMG_1.mov, "
        "1 without extension, such as README, 1 .nef (camera raw), such as _DSC3.NEF, "
        "1 .txt, such as notes.txt"
    )


def test_a_class_of_other_files_alone_is_rejected_with_their_kinds(root: Path) -> None:
    (root / "wasps").mkdir()
    for name in ("a.dng", "b.dng"):
        (root / "wasps" / name).write_bytes(b"")
    with pytest.raises(DataError, match=r"holds no images .*but 2 \.dng \(camera raw\)"):
        _load(root)


def test_classes_are_mixed_within_a_split(root: Path) -> None:
    labels = _load(root).train.labels_N.tolist()
    assert labels != sorted(labels)


def test_grey_images_have_one_channel(root: Path) -> None:
    assert _load(root, mode="L").channels == 1


def test_hidden_files_and_other_file_types_are_ignored(root: Path) -> None:
    (root / ".cache").mkdir()
    (root / "notes.txt").write_text("not a class")
    for name in (".hidden.png", "Thumbs.db", "notes.txt"):
        (root / "ants" / name).write_bytes(b"not an image")
    data = _load(root)
    assert data.labels == ("ants", "bees")
    assert len(data.train) + len(data.test) == 30


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere is not a folder"):
        _load(tmp_path / "nowhere")


def test_a_folder_without_class_folders_is_rejected(tmp_path: Path) -> None:
    write_gray_images(tmp_path / "flat", 3)
    with pytest.raises(DataError, match="flat holds no class folders"):
        _load(tmp_path / "flat")


def test_a_single_class_is_rejected(tmp_path: Path) -> None:
    write_gray_images(tmp_path / "insects" / "ants", 3)
    with pytest.raises(DataError, match="a single class, 'ants'; two or more are needed"):
        _load(tmp_path / "insects")


def test_an_empty_class_is_named(root: Path) -> None:
    (root / "wasps").mkdir()
    with pytest.raises(DataError, match=r"class folder .*wasps holds no images \(\.avif, \.bmp"):
        _load(root)


def test_a_folder_of_splits_is_not_taken_for_classes(tmp_path: Path) -> None:
    for split in ("train", "val"):
        write_gray_images(tmp_path / "insects" / split / "ants", 3)
    with pytest.raises(DataError, match=r"train holds no images .*whose folders are the classes"):
        _load(tmp_path / "insects")


@pytest.mark.parametrize(("count", "fraction"), [(1, 0.2), (4, 0.9)])
def test_a_class_too_small_to_split_is_named(root: Path, count: int, fraction: float) -> None:
    write_gray_images(root / "wasps", count)
    with pytest.raises(DataError, match=f"wasps holds {count} images: too few"):
        _load(root, test_fraction=fraction)


def test_even_a_small_class_is_tested(root: Path) -> None:
    write_gray_images(root / "wasps", 2, first=50)
    data = _load(root, test_fraction=0.1)
    assert class_counts(data.test.labels_N, data.labels)["wasps"] == 1
    assert class_counts(data.train.labels_N, data.labels)["wasps"] == 1


def test_a_validation_size_that_takes_all_of_a_class_is_rejected(root: Path) -> None:
    with pytest.raises(DataError, match=r"size is 23, which leaves no image of (ants|bees)"):
        _load(root, validation_size=23)


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff\xe0 not an image"])
def test_an_unreadable_file_stops_and_is_named(root: Path, content: bytes) -> None:
    (root / "ants" / "broken.jpg").write_bytes(content)
    with pytest.raises(DataError, match=r"ants/broken\.jpg cannot be read: .*unreadable: skip"):
        _load(root)


def test_skipped_files_are_named_in_a_warning(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    (root / "ants" / "broken.jpg").write_bytes(b"no")
    (root / "ants" / "short.png").write_bytes((root / "ants" / "0.png").read_bytes()[:45])
    with caplog.at_level(logging.WARNING):
        data = _load(root, unreadable="skip")
    assert len(data.train) + len(data.test) == 30
    (record,) = caplog.records
    assert "2 unreadable images skipped" in record.getMessage()
    assert "ants/broken.jpg" in record.getMessage()
    assert "ants/short.png" in record.getMessage()


def test_a_class_of_unreadable_files_is_rejected_though_skipping(root: Path) -> None:
    (root / "wasps").mkdir()
    (root / "wasps" / "broken.jpg").write_bytes(b"no")
    with pytest.raises(DataError, match="wasps holds no readable image"):
        _load(root, unreadable="skip")


def test_a_published_recipe_holds_the_name_of_the_folder_only(root: Path) -> None:
    config = ImageFolder(path=root, size=(8, 8))
    data = config.load()
    published = json.dumps(config.model_dump(mode="json", context={"published": True}))
    for text in (data.title, data.source, data.licence, published):
        assert str(root.parent) not in text
    assert data.title == "insects"
    assert '"path": "insects"' in published


def test_the_recipe_of_a_run_keeps_the_full_path(root: Path) -> None:
    config = ImageFolder(path=root, size=(8, 8))
    assert ImageFolder.model_validate_json(config.model_dump_json()) == config


def test_the_home_folder_may_be_abbreviated(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(root.parent))
    data = _load(Path("~/insects"))
    assert (data.title, data.labels) == ("insects", ("ants", "bees"))


def test_a_folder_given_relatively_has_its_own_name(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    assert _load(Path()).title == "insects"


def test_images_of_any_size_become_one_size(root: Path) -> None:
    noise = np.random.default_rng(0).integers(256, size=(70, 33, 3), dtype=np.uint8)
    Image.fromarray(noise).save(root / "ants" / "tall.png")
    assert _load(root).size_HW == (8, 8)


@pytest.fixture
def album(tmp_path: Path) -> Path:
    root = tmp_path / "album"
    for index, place in enumerate(("a.png", "b.jpg", "deeper/c.png", "deeper/still/d.png")):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 20), (10 * (index + 1),) * 3).save(root / place)
    (root / ".hidden").mkdir()
    Image.new("RGB", (8, 8)).save(root / ".hidden" / "e.png")
    (root / "notes.txt").write_text("no image")
    return root


def _load_unlabelled(folder: Path, **settings: Any) -> ImageData:
    return UnlabelledImageFolder.model_validate(
        {"path": folder, "size": [16, 16], **settings}
    ).load()


def test_unlabelled_images_of_all_subfolders_are_read(album: Path) -> None:
    data = _load_unlabelled(album, test_fraction=0.25)
    assert (len(data.train), len(data.test), data.size_HW) == (3, 1, (16, 16))
    grays = [int(image[0, 8, 8]) for part in (data.train, data.test) for image in part.images_NCHW]
    assert sorted(grays) == [10, 20, 30, 40]
    assert (data.title, data.labels) == ("album", ())


def test_unlabelled_split_depends_on_the_seed_alone(album: Path) -> None:
    assert _load_unlabelled(album).train.sha256 == _load_unlabelled(album).train.sha256
    hashes = {_load_unlabelled(album, seed=seed).train.sha256 for seed in range(6)}
    assert len(hashes) > 1


def test_unusable_unlabelled_folder_is_named_in_the_error(album: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty holds no images"):
        _load_unlabelled(tmp_path / "empty")
    with pytest.raises(DataError, match="nowhere is not a folder"):
        _load_unlabelled(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"still holds 1 images: too few"):
        _load_unlabelled(album / "deeper" / "still")
    (album / "broken.png").write_bytes(b"no png")
    with pytest.raises(DataError, match=r"broken\.png cannot be read"):
        _load_unlabelled(album)
    assert len(_load_unlabelled(album, unreadable="skip").train) == 3
