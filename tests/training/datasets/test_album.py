from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Generator

from training.datasets.album import ImagePatches
from training.datasets.image_patches import PatchBatches, PatchData, PatchSplit
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
    grey = next(image for image in every.images if image.shape[1] == 16)
    assert bool((grey == 77).all())
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


def test_relative_folders_are_looked_up_in_the_cache(folder: Path, data_home: Path) -> None:
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


def _numbered(height: int, width: int) -> torch.Tensor:
    """Every pixel another colour: row in red, column in green."""
    rows, columns = np.mgrid[:height, :width].astype(np.uint8)
    return torch.from_numpy(np.stack([rows, columns, np.zeros_like(rows)]))


def test_a_patch_is_a_part_of_an_image_in_one_of_eight_positions() -> None:
    split = PatchSplit((_numbered(30, 50),))
    positions = set()
    for (patch,) in PatchBatches(split, 8, 200, 1, Generator().manual_seed(0)):
        corners = [patch[:2, 0, 0], patch[:2, 0, 7], patch[:2, 7, 0]]
        origin = torch.stack([patch[:2, i, j] for i in (0, 7) for j in (0, 7)]).amin(0)
        positions.add(tuple(tuple((corner - origin).tolist()) for corner in corners))
        assert sorted(map(tuple, (patch[:2].flatten(1).T - origin).tolist())) == [
            (row, column) for row in range(8) for column in range(8)
        ]
    assert len(positions) == 8


def test_an_epoch_takes_each_image_equally_often_and_depends_on_the_seed_alone() -> None:
    images = tuple(torch.full((3, 8 + i, 9), i, dtype=torch.uint8) for i in range(5))
    split = PatchSplit(images)
    patches = PatchBatches(split, 8, 4, 3, Generator().manual_seed(1))
    batches = list(patches)
    assert len(batches) == len(patches) == 6  # of 20 patches, 2 are too few for a batch
    taken = torch.cat(batches)[:, 0, 0, 0].bincount(minlength=5)
    assert int(taken.sum()) == 18
    assert int(taken.max()) <= 4
    again = list(PatchBatches(split, 8, 4, 3, Generator().manual_seed(1)))
    assert all(torch.equal(a, b) for a, b in zip(batches, again, strict=True))


def test_an_image_smaller_than_a_patch_is_mirrored() -> None:
    split = PatchSplit((_numbered(3, 5),))
    (patch,) = next(iter(PatchBatches(split, 16, 1, 1, Generator().manual_seed(0))))
    assert patch.shape == (3, 16, 16)
    assert set(patch[0].unique().tolist()) <= {0, 1, 2, 3, 4}
