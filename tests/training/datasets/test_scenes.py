from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from training.datasets.scenes import CropBatches, Scenes
from training.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index, size in enumerate(((40, 30), (25, 60), (9, 9))):
        pixels = np.random.default_rng(index).integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
    return tmp_path


def test_images_stay_whole_and_small_ones_are_left_out(folder: Path) -> None:
    data = Scenes(paths=(folder,), crop=16).load()
    assert [tuple(image.shape) for image in data.train] == [(3, 40, 30), (3, 25, 60)]
    assert len(data.test) == 6
    assert data.to_data_source().n == 2


def test_crops_are_parts_of_the_images_and_depend_on_the_seed_alone(folder: Path) -> None:
    data = Scenes(paths=(folder,), crop=16, crops_per_epoch=8).load()
    crops = CropBatches(data, 4, torch.Generator().manual_seed(3))
    assert len(crops) == 2
    batches = list(crops)
    again = list(CropBatches(data, 4, torch.Generator().manual_seed(3)))
    assert all(torch.equal(one, other) for one, other in zip(batches, again, strict=True))
    values = {tuple(pixel) for p in data.train for pixel in p.flatten(1).T.tolist()}
    for batch in batches:
        assert batch.shape == (4, 3, 16, 16)
        assert {tuple(pixel) for pixel in batch[0].flatten(1).T.tolist()} <= values


def test_a_missing_folder_and_a_folder_of_small_images_are_rejected(folder: Path) -> None:
    with pytest.raises(DataError, match="is not a folder"):
        Scenes(paths=(folder / "none",)).load()
    with pytest.raises(DataError, match=r"crop \(100\)"):
        Scenes(paths=(folder,), crop=100).load()
