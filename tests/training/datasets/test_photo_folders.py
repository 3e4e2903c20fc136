from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from training.datasets.image_patches import PatchData, PatchSplit
from training.datasets.photo_folders import ImagePatches, Scenes
from training.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "holiday"
    for index, (width, height) in enumerate(((40, 30), (33, 57), (90, 9), (21, 20))):
        path = root / ("deeper" if index == 3 else "") / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (width, height), (10 * index, 0, 0)).save(path)
    Image.new("L", (12, 16), 77).save(root / "4.png")
    return root


def _load(*folders: Path, **settings: Any) -> PatchData:
    return ImagePatches.model_validate({"paths": folders, "patch": 16, **settings}).load()


def _sizes(split: PatchSplit) -> list[tuple[int, ...]]:
    return sorted(tuple(image.shape) for image in split.images)


def test_images_keep_their_size_and_grey_ones_have_equal_channels(folder: Path) -> None:
    data = _load(folder, test_fraction=0.2)
    every = PatchSplit(data.train.images + data.test.images)
    sizes = [(3, 9, 90), (3, 16, 12), (3, 20, 21), (3, 30, 40), (3, 57, 33)]
    assert _sizes(every) == sizes
    assert (len(data.train), len(data.test), data.validation) == (4, 1, None)
    gray = next(image for image in every.images if image.shape[1] == 16)
    assert bool((gray == 77).all())
    assert (data.title, data.test_title, data.to_data_source().n) == ("holiday", "holiday", 4)


def test_test_paths_replace_the_held_out_share(folder: Path) -> None:
    data = _load(folder, test_paths=(folder / "deeper",), validation_size=2, test_title="far")
    assert data.validation is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (3, 2, 1)
    assert (_sizes(data.test), data.test_title) == ([(3, 20, 21)], "far")


def test_large_images_are_reduced_and_small_ones_never_enlarged(folder: Path) -> None:
    data = _load(folder, longest_side=30)
    every = PatchSplit(data.train.images + data.test.images)
    assert _sizes(every) == [(3, 3, 30), (3, 16, 12), (3, 20, 21), (3, 23, 30), (3, 30, 17)]


def test_the_split_is_chosen_by_the_seed_alone(folder: Path) -> None:
    assert _load(folder).train.sha256 == _load(folder).train.sha256
    assert len({_load(folder, seed=seed).train.sha256 for seed in range(6)}) > 1


def test_relative_folders_are_resolved_in_the_cache(folder: Path, data_home: Path) -> None:
    folder.rename(data_home / "holiday")
    assert len(_load(Path("holiday")).train) == 4


def test_unusable_folders_are_named_in_the_error(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere is not a folder"):
        _load(tmp_path / "nowhere")
    with pytest.raises(DataError, match="deeper holds 1 images: too few"):
        _load(folder / "deeper")
    with pytest.raises(DataError, match="holiday holds 5 images: too few"):
        _load(folder, validation_size=9)
    (folder / "broken.png").write_bytes(b"no png")
    with pytest.raises(DataError, match=r"broken\.png cannot be read"):
        _load(folder)
    assert len(_load(folder, unreadable="skip").train) == 4


def test_scenes_test_on_sample_photographs_and_leave_small_images_out(folder: Path) -> None:
    data = Scenes(paths=(folder,), crop=20).load()
    assert _sizes(data.train) == [(3, 20, 21), (3, 30, 40), (3, 57, 33)]
    assert (len(data.test), data.validation, data.to_data_source().n) == (6, None, 3)
    with pytest.raises(DataError, match=r"holiday has sides of crop \(100\)"):
        Scenes(paths=(folder,), crop=100).load()
