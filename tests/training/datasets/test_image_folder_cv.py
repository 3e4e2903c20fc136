import logging
from pathlib import Path
from typing import Any

import pillow_heif
import pytest
import torch
from PIL import Image

from tests.training.photos import write_gray_images
from training.datasets.base import ImageData, class_counts
from training.datasets.image_folder import ImageFolderCV
from training.errors import DataError

pillow_heif.register_heif_opener()  # Pillow's `save` as HEIF


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_gray_images(tmp_path / "insects" / "bees", 21, first=100)
    write_gray_images(tmp_path / "insects" / "ants", 10)
    return tmp_path / "insects"


def _load(*roots: Path, **settings: Any) -> ImageData:
    return ImageFolderCV.model_validate({"paths": roots, "size": 8, **settings}).load()


def _grays(images_NCHW: torch.Tensor) -> set[int]:
    return set(images_NCHW[:, 0, 4, 4].tolist())


def test_folds_are_disjoint_stratified_and_cover_everything(root: Path) -> None:
    folds = [_load(root, folds=5, held_out=fold) for fold in range(5)]
    everything = {*range(10), *range(100, 121)}
    held_out: set[int] = set()
    for data in folds:
        test, train = _grays(data.test.images_NCHW), _grays(data.train.images_NCHW)
        assert not test & train
        assert test | train == everything
        assert not test & held_out
        held_out |= test
        counts = class_counts(data.test.labels_N, data.labels)
        assert counts["ants"] == 2
        assert counts["bees"] in (4, 5)
    assert held_out == everything


def test_every_photograph_has_the_label_of_its_folder(root: Path) -> None:
    data = _load(root, folds=3, held_out=1)
    for split in (data.train, data.test):
        for image, label in zip(split.images_NCHW, split.labels_N.tolist(), strict=True):
            assert data.labels[label] == ("bees" if int(image[0, 4, 4]) >= 100 else "ants")


def test_without_a_held_out_fold_everything_is_for_training(root: Path) -> None:
    data = _load(root)
    assert (len(data.train), len(data.test)) == (31, 0)
    assert data.test.images_NCHW.shape == (0, 3, 8, 8)


def test_the_deal_depends_on_the_seed_alone(root: Path) -> None:
    first, again, other = (_load(root, seed=seed, held_out=0) for seed in (1, 1, 2))
    assert first.test.sha256 == again.test.sha256
    assert first.test.sha256 != other.test.sha256


def test_several_folders_are_one_set(root: Path, tmp_path: Path) -> None:
    write_gray_images(tmp_path / "more" / "ants", 3, first=200)
    write_gray_images(tmp_path / "more" / "wasps", 2, first=230)
    data = _load(root, tmp_path / "more")
    assert class_counts(data.train.labels_N, data.labels) == {"ants": 13, "bees": 21, "wasps": 2}
    assert data.title == "insects"


def test_a_class_written_differently_in_two_folders_is_rejected(root: Path, tmp_path: Path) -> None:
    write_gray_images(tmp_path / "more" / "Ants", 3, first=200)
    write_gray_images(tmp_path / "more" / "wasps", 3, first=230)
    with pytest.raises(DataError, match=r"insects/ants and .*more/Ants differ only in case"):
        _load(root, tmp_path / "more")


def test_duplicate_is_skipped_and_named(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    (root / "ants" / "copy.png").write_bytes((root / "ants" / "3.png").read_bytes())
    with caplog.at_level(logging.WARNING):
        assert len(_load(root).train) == 31
    assert "1 duplicate photographs skipped: " in caplog.text
    assert "ants/copy.png" in caplog.text


def test_one_photograph_in_two_classes_is_rejected(root: Path) -> None:
    (root / "bees" / "copy.png").write_bytes((root / "ants" / "3.png").read_bytes())
    with pytest.raises(DataError, match=r"ants/3\.png and .*bees/copy\.png are the same photo"):
        _load(root)


def test_a_class_smaller_than_the_folds_is_named(root: Path) -> None:
    with pytest.raises(DataError, match="class 'ants' has 10 photographs: too few for 11 folds"):
        _load(root, folds=11, held_out=0)


@pytest.mark.parametrize("kind", ["heic", "heif", "avif", "webp", "jfif", "jpe"])
def test_photographs_of_phones_are_read(root: Path, kind: str) -> None:
    formats = {"heic": "HEIF", "heif": "HEIF", "jfif": "JPEG", "jpe": "JPEG"}
    photo = Image.new("RGB", (64, 48), (20, 200, 20))
    photo.save(root / "ants" / f"phone.{kind}", formats.get(kind, kind))
    data = _load(root)
    assert class_counts(data.train.labels_N, data.labels) == {"ants": 11, "bees": 21}
    assert any(
        abs(int(image[1, 4, 4]) - 200) < 8 and image[0, 4, 4] < 40
        for image in data.train.images_NCHW
    )


def test_a_held_out_index_beyond_the_folds_is_rejected(root: Path) -> None:
    with pytest.raises(ValueError, match="held_out is 5, but folds are 0 to 4"):
        _load(root, held_out=5)


def test_an_unreadable_file_is_left_out_or_stops(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (root / "ants" / "broken.jpg").write_bytes(b"no")
    with caplog.at_level(logging.WARNING):
        assert len(_load(root).train) == 31
    assert "ants/broken.jpg" in caplog.text
    with pytest.raises(DataError, match=r"broken\.jpg cannot be read"):
        _load(root, unreadable="stop")


def test_photographs_added_later_are_read(root: Path) -> None:
    assert len(_load(root).train) == 31
    Image.new("RGB", (12, 10), "red").save(root / "ants" / "red.png")
    assert len(_load(root).train) == 32
    Image.new("RGB", (30, 10), "blue").save(root / "ants" / "red.png")
    assert (0, 0, 255) in {
        tuple(image[:, 0, 0].tolist()) for image in _load(root).train.images_NCHW
    }


@pytest.mark.parametrize(
    ("resize", "left_right", "top"),
    [("crop", {99}, 99), ("stretch", {0, 255}, 99), ("pad", {0, 255}, 0)],
)
def test_resize_rule_selects_the_region(
    tmp_path: Path, resize: str, left_right: set[int], top: int
) -> None:
    for red, name in enumerate(("a", "b")):
        (tmp_path / name).mkdir()
        # Three times as wide as high: a black, a grey and a white third.
        wide = Image.new("RGB", (24, 8), (red, 99, 99))
        wide.paste((0, 0, 0), (0, 0, 8, 8))
        wide.paste((255, 255, 255), (16, 0, 24, 8))
        wide.save(tmp_path / name / "wide.png")
    green = _load(tmp_path, resize=resize).train.images_NCHW[0, 1]
    assert {int(green[4, 0]), int(green[4, 7])} == left_right
    assert int(green[4, 4]) == 99
    assert int(green[0, 4]) == top


def test_a_published_recipe_holds_no_absolute_path(root: Path) -> None:
    config = ImageFolderCV(
        paths=(root, Path("hymenoptera/train"), Path("~/mine"), Path("../theirs"))
    )
    published = config.model_dump(mode="json", context={"published": True})
    assert published["paths"] == ["insects", "hymenoptera/train", "mine", "theirs"]
    assert ImageFolderCV.model_validate_json(config.model_dump_json()) == config


def test_relative_folders_are_resolved_in_the_cache(data_home: Path) -> None:
    write_gray_images(data_home / "insects" / "ants", 3)
    write_gray_images(data_home / "insects" / "bees", 3, first=100)
    assert len(_load(Path("insects")).train) == 6


def test_a_missing_folder_is_named(data_home: Path) -> None:
    with pytest.raises(DataError, match="nowhere is not a folder"):
        _load(Path("nowhere"))
