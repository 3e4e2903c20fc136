import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance
from sklearn.datasets import load_sample_image
from torch import Generator, Tensor

from training.datasets.noise import is_gray
from training.datasets.synthetic_patches import (
    SyntheticPatches,
    draw_color,
    draw_ramp,
    saturate,
)


@pytest.fixture
def photo_3PP() -> Tensor:
    pixels = load_sample_image("china.jpg")[100:132, 200:232]
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255


def test_no_share_leaves_every_photograph(photo_3PP: Tensor) -> None:
    photos = photo_3PP.expand(8, -1, -1, -1)
    patches, clean = SyntheticPatches(share=0, clean_share=1)(photos)
    assert torch.equal(patches, photos)
    assert not clean.any()


def test_a_quarter_of_the_synthetic_patches_is_flat_and_a_share_of_all_is_clean(
    photo_3PP: Tensor,
) -> None:
    photos = photo_3PP.expand(900, -1, -1, -1)
    synthetic = SyntheticPatches(share=2 / 3, clean_share=0.5)
    patches, clean = synthetic(photos, Generator().manual_seed(0))
    left = (patches == photos).flatten(1).all(1)
    flat = (patches == patches[:, :, :1, :1]).flatten(1).all(1)
    assert 250 < left.sum() < 350
    assert 120 < flat.sum() < 200
    assert 250 < clean.sum() < 350
    assert not (clean & left).any()
    levels = patches * 255
    torch.testing.assert_close(levels, levels.round(), atol=1e-3, rtol=0)


def test_a_quarter_of_the_synthetic_patches_is_overexposed() -> None:
    dim = torch.linspace(0.3, 0.6, 32).expand(400, 3, 32, 32)
    patches, _ = SyntheticPatches(share=1, exposure=4)(dim, Generator().manual_seed(0))
    flat = (patches == patches[:, :, :1, :1]).flatten(1).all(1)
    profile = (patches == patches[:, :1, :1]).flatten(1).all(1)  # of the photograph, brighter
    white = (patches == 1).flatten(1).float().mean(1)
    overexposed = profile & ~flat & (white > 0)
    assert 40 < overexposed.sum() < 100
    assert len(set(white[overexposed].tolist())) > 10


def test_a_seed_draws_the_same_patches(photo_3PP: Tensor) -> None:
    photos = photo_3PP.expand(20, -1, -1, -1)
    first, second = (
        SyntheticPatches(share=1)(photos, Generator().manual_seed(3)) for _ in range(2)
    )
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])


def test_every_corner_of_the_rgb_cube_is_drawn_and_white_most_often() -> None:
    generator = Generator().manual_seed(0)
    colors = torch.stack([draw_color(generator) for _ in range(4000)]).flatten(1)
    at_corner = colors[((colors == 0) | (colors == 1)).all(1)]
    counts = (at_corner @ torch.tensor([4.0, 2.0, 1.0])).long().bincount(minlength=8)
    black, *others, white = counts.tolist()
    assert min(others) > 0
    assert min(black, white) > 4 * max(others)
    # Half of the channels lie inside (0, 1).
    assert ((colors > 0) & (colors < 1)).float().mean() == pytest.approx(0.5, abs=0.03)


def test_a_ramp_is_straight_and_goes_from_a_sharp_edge_to_a_slow_gradient() -> None:
    generator = Generator().manual_seed(0)
    ramps = torch.stack([draw_ramp(32, generator) for _ in range(300)])
    assert ramps.min() == 0
    assert ramps.max() == 1
    between = ((ramps > 0) & (ramps < 1)).flatten(1).float().mean(1)
    sharp = (between > 0) & (between < 0.1)
    assert sharp.sum() > 20
    assert (between == 1).sum() > 20
    slopes = torch.stack(
        [ramps[:, 1:-1, 2:] - ramps[:, 1:-1, :-2], ramps[:, 2:, 1:-1] - ramps[:, :-2, 1:-1]]
    )
    # In the middle of a ramp that is nowhere clipped, the slope is the same everywhere.
    inner = slopes[:, between == 1].flatten(2)
    assert (inner.amax(2) - inner.amin(2)).max() < 1e-5


def test_saturation_is_increased_as_pillow_increases_it() -> None:
    pixels = np.ascontiguousarray(load_sample_image("flower.jpg")[100:150, 200:260])
    photo = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    expected = np.asarray(ImageEnhance.Color(Image.fromarray(pixels)).enhance(2.5), np.int64)
    ours = (saturate(photo, 2.5) * 255).round().permute(1, 2, 0).numpy()
    assert np.abs(ours - expected).max() <= 2
    assert torch.equal(saturate(photo, 1), photo)
    assert is_gray(saturate(photo[:1].expand(3, -1, -1), 4)[None])
