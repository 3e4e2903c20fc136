from typing import Any

import pytest
import torch
from torch import Tensor

from training.datasets.diff_augment import DiffAugment

_NOTHING = {"brightness": 0, "saturation": 0, "contrast": 0, "translation": 0, "cutout": 0}


def _images(count: int = 200, side: int = 16) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


def _changed(images: Tensor, **settings: Any) -> Tensor:
    torch.manual_seed(1)
    return DiffAugment(**{**_NOTHING, "probability": 1.0, **settings})(images)


def test_with_nothing_to_change_images_stay() -> None:
    torch.testing.assert_close(_changed(_images()), _images())


@pytest.mark.parametrize("change", [{"brightness": 0.5}, {"cutout": 0.5}, {"contrast": 0.5}])
@pytest.mark.parametrize("probability", [0.0, 0.3, 0.7])
def test_each_transform_applies_to_the_configured_share_of_images(
    change: dict[str, float], probability: float
) -> None:
    images = _images(4000, 4)
    different = (_changed(images, **change, probability=probability) - images).abs().amax((1, 2, 3))
    share = float((different > 1e-6).float().mean())
    assert share == pytest.approx(probability, abs=0.03)


def test_brightness_adds_one_number_to_an_image() -> None:
    added = (_changed(_images(), brightness=0.5) - _images()).flatten(1)
    torch.testing.assert_close(added, added[:, :1].expand_as(added))
    assert added[:, 0].min() < -0.4
    assert 0.4 < added[:, 0].max() <= 0.5


def test_saturation_keeps_each_pixels_grey_and_contrast_each_images_mean() -> None:
    images = _images()
    torch.testing.assert_close(_changed(images, saturation=1.0).mean(1), images.mean(1))
    stretched = _changed(images, contrast=0.5)
    torch.testing.assert_close(stretched.mean((1, 2, 3)), images.mean((1, 2, 3)))
    assert not torch.allclose(stretched, images)


def test_translation_moves_by_whole_pixels_and_grey_moves_in() -> None:
    images = _images(100, 16)
    moved = _changed(images, translation=0.125)
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2))
    windows = [
        padded[:, :, row : row + 16, column : column + 16]
        for row in range(5)
        for column in range(5)
    ]
    is_window = torch.stack(
        [(moved - w).abs().amax((1, 2, 3)) < 1e-5 for w in windows]
    )  # windows, images
    assert torch.equal(is_window.sum(0), torch.ones(100, dtype=torch.int64))
    assert is_window.any(1).all()  # each shift of up to 2 pixels either way occurs


def test_cutout_sets_one_square_to_grey() -> None:
    ones = torch.ones(500, 1, 16, 16)
    cut = _changed(ones, cutout=0.5)[:, 0] == 0
    rows, columns = cut.any(2).sum(1), cut.any(1).sum(1)
    assert torch.equal(cut.sum((1, 2)), rows * columns)
    assert rows.max() == columns.max() == 8
    assert rows.min() >= 4  # a centre on the border leaves half of the square inside


def test_gradients_pass_through_every_change() -> None:
    images = _images(50).requires_grad_()
    torch.autograd.backward(DiffAugment(probability=1.0)(images).sum())
    assert images.grad is not None
    assert images.grad.flatten(1).any(1).all()
