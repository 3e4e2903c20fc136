from pathlib import Path

import numpy as np
import pytest
import torch

from training.datasets.base import (
    ImageData,
    ImageSplit,
    class_counts,
    split_validation,
    validate_split,
)
from training.errors import DataError


def _split(count: int, channels: int = 3, seed: int = 0) -> ImageSplit:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (count, channels, 5, 4), generator=generator, dtype=torch.uint8)
    return ImageSplit(images, torch.arange(count) % 3)


def _data(train: ImageSplit) -> ImageData:
    return ImageData(
        title="Things",
        licence="none",
        source="nowhere",
        labels=("a", "b", "c"),
        train=train,
        test=_split(3),
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_statistics_are_those_of_numpy(channels: int) -> None:
    data = _data(_split(40, channels))
    pixels = data.train.images_NCHW.numpy().astype(np.float64) / 255
    mean, deviation = data.statistics()
    np.testing.assert_allclose(mean, pixels.mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(deviation, pixels.std(axis=(0, 2, 3)), rtol=1e-12)


def test_size_and_channels_are_those_of_the_images() -> None:
    data = _data(_split(2))
    assert (data.channels, data.size_HW) == (3, (5, 4))


def test_held_out_images_are_no_longer_trained_on() -> None:
    whole = _split(20)
    data = split_validation(_data(whole), 6)
    assert data.validation is not None
    assert (len(data.train), len(data.validation)) == (14, 6)
    parts = [bytes(image.numpy()) for image in data.train.images_NCHW]
    held = [bytes(image.numpy()) for image in data.validation.images_NCHW]
    assert not set(parts) & set(held)
    assert sorted(parts + held) == sorted(bytes(image.numpy()) for image in whole.images_NCHW)


def test_the_seed_chooses_what_is_held_out() -> None:
    data = _data(_split(20))
    first, again, other = (split_validation(data, 6, seed).validation for seed in (1, 1, 2))
    assert first is not None
    assert again is not None
    assert other is not None
    assert first.sha256 == again.sha256
    assert first.sha256 != other.sha256


def test_nothing_is_held_out_by_default() -> None:
    assert split_validation(_data(_split(4)), 0).validation is None


def test_holding_out_everything_is_rejected() -> None:
    with pytest.raises(DataError, match="validation_size is 4, but Things has 4 training items"):
        split_validation(_data(_split(4)), 4)


def test_sha256_depends_on_pixels_labels_and_shapes() -> None:
    split = _split(4)
    pixels = split.images_NCHW.clone()
    pixels[0, 0, 0, 0] ^= 1
    others = [
        ImageSplit(pixels, split.labels_N),
        ImageSplit(split.images_NCHW, split.labels_N.flip(0)),
        ImageSplit(split.images_NCHW.reshape(4, 3, 4, 5), split.labels_N),
    ]
    assert len({split.sha256, *(other.sha256 for other in others)}) == 4
    assert split.sha256 == _split(4).sha256


def test_class_counts_name_empty_classes_too() -> None:
    assert class_counts(torch.tensor([2, 0, 2]), ("a", "b", "c")) == {"a": 1, "b": 0, "c": 2}


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (_split(0), "here.npz holds no images"),
        (_split(2, channels=1), r"here.npz holds images of shape \(1, 5, 4\), not \(3, 5, 4\)"),
        (ImageSplit(_split(2).images_NCHW, torch.zeros(3).long()), "has 3 labels for 2 images"),
        (ImageSplit(_split(2).images_NCHW, torch.tensor([0, 3])), "the label 3; labels are 0 to 2"),
        (ImageSplit(_split(2).images_NCHW, torch.tensor([-1, 0])), "the label -1; labels are 0"),
    ],
)
def test_a_file_that_is_not_its_data_set_is_named(split: ImageSplit, message: str) -> None:
    with pytest.raises(DataError, match=message):
        validate_split(split, Path("here.npz"), classes=3, shape_CHW=(3, 5, 4))


def test_intact_file_passes() -> None:
    split = _split(3)
    assert validate_split(split, Path("here.npz"), classes=3, shape_CHW=(3, 5, 4)) is split
