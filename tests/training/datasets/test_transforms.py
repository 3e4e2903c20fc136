import pytest
import torch
from torch import Generator

from training.datasets.base import ImageSplit
from training.datasets.transforms import Crop, Flip, ResizedCrop, alternately_flipped


def _images(batch: int) -> torch.Tensor:
    generator = Generator().manual_seed(0)
    return torch.randint(1, 256, (batch, 3, 6, 5), generator=generator, dtype=torch.uint8)


def test_crop_equals_a_loop_over_images() -> None:
    images, padding = _images(64), 2
    draws = Generator().manual_seed(7)
    top = torch.randint(2 * padding + 1, (64,), generator=draws).tolist()
    left = torch.randint(2 * padding + 1, (64,), generator=draws).tolist()
    expected = []
    for image, y, x in zip(images, top, left, strict=True):
        padded = torch.zeros(3, 6 + 2 * padding, 5 + 2 * padding, dtype=torch.uint8)
        padded[:, padding:-padding, padding:-padding] = image
        expected.append(padded[:, y : y + 6, x : x + 5])

    cropped = Crop(padding=padding)(images, Generator().manual_seed(7))
    assert torch.equal(cropped, torch.stack(expected))
    # All 25 shifts of padding 2 are within reach of 64 draws, so both extremes should be there.
    assert {0, 2 * padding} <= set(top) & set(left)


def test_crop_pads_with_zeros() -> None:
    images = torch.full((64, 1, 6, 5), 255, dtype=torch.uint8)
    cropped = Crop(padding=2)(images, Generator().manual_seed(7))
    assert set(cropped.flatten().tolist()) == {0, 255}
    whole_rows = (cropped == 0).all(3).sum(2).flatten()
    assert set(whole_rows.tolist()) == {0, 1, 2}


def test_reflection_pads_with_the_edge() -> None:
    ramp = torch.arange(5, dtype=torch.uint8).expand(64, 1, 6, 5)
    cropped = Crop(padding=2, fill="reflection")(ramp, Generator().manual_seed(7))
    rows = {tuple(image[0, 0].tolist()) for image in cropped}
    mirrored = [2, 1, 0, 1, 2, 3, 4, 3, 2]
    assert rows == {tuple(mirrored[left : left + 5]) for left in range(5)}


def test_alternating_flips_show_every_image_both_ways_in_two_epochs() -> None:
    split = ImageSplit(_images(64), torch.arange(64))
    first, second, third = (alternately_flipped(split, 5, epoch).images_NCHW for epoch in range(3))
    mirrored = split.images_NCHW.flip(3)
    flipped = (first == mirrored).flatten(1).all(1)
    assert 16 < int(flipped.sum()) < 48
    torch.testing.assert_close(
        second, torch.where(flipped[:, None, None, None], split.images_NCHW, mirrored)
    )
    torch.testing.assert_close(third, first)
    torch.testing.assert_close(split.images_NCHW, mirrored.flip(3))  # the data set is as it was


def test_flip_equals_a_loop_over_images() -> None:
    images = _images(64)
    draws = (torch.rand(64, 1, 1, 1, generator=Generator().manual_seed(7)) < 0.5).flatten()
    expected = [image.flip(2) if flip else image for image, flip in zip(images, draws, strict=True)]
    flipped = Flip()(images, Generator().manual_seed(7))
    assert torch.equal(flipped, torch.stack(expected))
    assert 16 < int(draws.sum()) < 48


def test_transforms_are_functions_of_the_generator() -> None:
    images = _images(16)
    for transform in (Flip(), Crop(padding=2), ResizedCrop(size=6)):
        first, again, other = (transform(images, Generator().manual_seed(s)) for s in (1, 1, 2))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)
        assert first.dtype == torch.uint8
        assert first.shape[:3] == images.shape[:3]


def test_a_resized_crop_of_the_whole_image_is_the_image() -> None:
    images = _images(4)[..., :5, :]
    whole = ResizedCrop(size=5, area=(1, 1), ratio=1)
    assert torch.equal(whole(images, Generator().manual_seed(0)), images)


def test_a_resized_crop_shows_the_part_that_was_drawn() -> None:
    # Red counts columns and green rows, so each pixel encodes its position.
    height, width, size = 60, 80, 16
    images = torch.zeros(32, 3, height, width, dtype=torch.uint8)
    images[:, 0] = torch.arange(width, dtype=torch.uint8)
    images[:, 1] = torch.arange(height, dtype=torch.uint8)[:, None]
    cut = ResizedCrop(size=size, area=(0.2, 0.5), ratio=2)(images, Generator().manual_seed(7))

    u = torch.rand(4, 32, generator=Generator().manual_seed(7))
    area = height * width * (0.2 + 0.3 * u[0])
    ratio = 2 ** (2 * u[1] - 1)
    for index in range(32):
        wide = min(width, float((area[index] * ratio[index]).sqrt()))
        high = min(height, float((area[index] / ratio[index]).sqrt()))
        left, top = float(u[2, index]) * (width - wide), float(u[3, index]) * (height - high)
        centers = (torch.arange(size) + 0.5) / size  # of output pixels, as a share of the part
        columns = (left + centers * wide - 0.5).clamp(0, width - 1)
        rows = (top + centers * high - 0.5).clamp(0, height - 1)
        torch.testing.assert_close(cut[index, 0, 3].float(), columns, atol=0.51, rtol=0)
        torch.testing.assert_close(cut[index, 1, :, 3].float(), rows, atol=0.51, rtol=0)


def test_areas_must_ascend() -> None:
    with pytest.raises(ValueError, match=r"must be \(smallest, largest\)"):
        ResizedCrop(size=8, area=(0.9, 0.3))
