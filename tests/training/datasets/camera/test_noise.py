import io
import math

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image
from torch import Generator, Tensor

from training.datasets.camera import CameraNoise
from training.datasets.camera.noise import add_sensor_noise, jpeg_round_trip, read_variance
from training.datasets.noise import is_gray
from training.metrics.rate_distortion import psnr_db


@pytest.fixture(scope="module")
def photo() -> Tensor:
    image = load_sample_image("china.jpg")[100:196, 200:296]
    return torch.from_numpy(image.copy()).permute(2, 0, 1).float() / 255


@pytest.mark.parametrize("level", [0.0, 0.1, 0.6])
def test_variance_grows_with_the_light_as_shot_noise_does(level: float) -> None:
    shot, read = 0.01, 0.0004
    raw = torch.full((1, 1, 300, 300), level)
    noise = add_sensor_noise(raw, shot, read, Generator().manual_seed(0)) - raw
    assert noise.mean().item() == pytest.approx(0, abs=1.5e-3)
    assert noise.var().item() == pytest.approx(shot * level + read, rel=0.02)


def test_read_noise_is_log_linear_in_shot_noise() -> None:
    # Brooks et al., section 3.1: log read = 2.18 log shot + 1.20, within 0.26.
    assert math.log(read_variance(0.01)) == pytest.approx(2.18 * math.log(0.01) + 1.20)
    assert read_variance(0.01, 1.0) / read_variance(0.01) == pytest.approx(math.exp(0.26))


def test_shot_has_the_requested_size_in_eight_bits(photo: Tensor) -> None:
    shot, truth = CameraNoise()(photo, 80, Generator().manual_seed(0))
    assert shot.shape == truth.shape == (3, 80, 80)
    torch.testing.assert_close(shot * 255, (shot * 255).round(), atol=1e-4, rtol=0)
    assert truth.min() >= 0
    assert truth.max() <= 1


def test_a_shot_is_a_function_of_its_generator(photo: Tensor) -> None:
    one, again, other = (CameraNoise()(photo, 64, Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(one[0], again[0])
    assert torch.equal(one[1], again[1])
    assert not torch.equal(one[0], other[0])


def test_shots_are_noisy_and_brighter_light_is_cleaner(photo: Tensor) -> None:
    dim, bright = (
        CameraNoise(shot=(shot, shot), stored_as_jpeg=0, grey_share=0) for shot in (0.01, 0.0001)
    )
    for seed in range(5):
        weak, strong = (
            psnr_db(*(x[None] for x in camera(photo, 64, Generator().manual_seed(seed)))).item()
            for camera in (bright, dim)
        )
        assert strong + 8 < weak < 50


def test_the_mean_of_many_shots_is_the_truth(photo: Tensor) -> None:
    camera = CameraNoise(
        shot=(0.001, 0.001), gamma=(2.2, 2.2), tone_curve_share=0, stored_as_jpeg=0, grey_share=0,
        reduced_share=0,
    )  # fmt: skip
    # Flat, so that every random place is the same; each shot is of another camera.
    flat = torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1).expand(3, 72, 72)
    shots, truths = zip(
        *(camera(flat, 64, Generator().manual_seed(seed)) for seed in range(20)), strict=True
    )
    torch.testing.assert_close(torch.stack(truths)[:, :, 8, 8], flat[:, 0, 0].expand(20, 3))
    mean = torch.stack(shots).mean((0, 2, 3))
    torch.testing.assert_close(mean, flat[:, 0, 0], atol=0.004, rtol=0)


def test_a_cameras_noise_is_the_same_in_neighbours_as_independent_noise_is_not(
    photo: Tensor,
) -> None:
    camera = CameraNoise(shot=(0.003, 0.003), stored_as_jpeg=0, grey_share=0, reduced_share=0)
    products = []
    for seed in range(10):
        shot, truth = camera(photo, 64, Generator().manual_seed(seed))
        noise = shot - truth
        noise = noise - noise.mean((1, 2), keepdim=True)
        products.append((noise[..., 1:] * noise[..., :-1]).mean() / noise.square().mean())
    assert torch.stack(products).mean() > 0.15


def test_grey_shots_are_grey(photo: Tensor) -> None:
    shot, truth = CameraNoise(grey_share=1)(photo, 64, Generator().manual_seed(0))
    assert is_gray(shot[None])
    assert is_gray(truth[None])
    assert not is_gray(CameraNoise(grey_share=0)(photo, 64, Generator())[0][None])


@pytest.mark.parametrize("quality", [50, 98])
def test_jpeg_is_pillows_with_halved_chroma(photo: Tensor, quality: int) -> None:
    file = io.BytesIO()
    levels = (photo * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(levels).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    ours = (jpeg_round_trip(photo, quality) * 255).round().byte().permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(ours, np.array(Image.open(file)))


def test_ranges_must_ascend_and_shares_fit() -> None:
    with pytest.raises(ValueError, match="smallest, largest"):
        CameraNoise(shot=(0.01, 0.001))
    with pytest.raises(ValueError, match="add up to at most 1"):
        CameraNoise(share=0.8, jpeg_share=0.3)
