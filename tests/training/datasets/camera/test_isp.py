import pytest
import torch
from torch import Generator

from training.datasets.camera.isp import CameraIsp, inverse_smoothstep, smoothstep

GAMMA = (1.8, 2.4)


def _camera(seed: int, tone_curve_share: float = 0.5) -> CameraIsp:
    return CameraIsp.sample(GAMMA, tone_curve_share, Generator().manual_seed(seed))


def test_the_tone_curve_is_undone() -> None:
    x = torch.linspace(0, 1, 101, dtype=torch.float64)
    torch.testing.assert_close(smoothstep(inverse_smoothstep(x)), x)
    torch.testing.assert_close(inverse_smoothstep(smoothstep(x)), x)
    assert smoothstep(torch.tensor([0.0, 0.25, 0.5, 1.0])).tolist() == [0, 0.15625, 0.5, 1]


@pytest.mark.parametrize("tone_curve_share", [0.0, 1.0])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_image_without_highlights_round_trips(seed: int, tone_curve_share: float) -> None:
    camera = _camera(seed, tone_curve_share)
    image = 0.2 + 0.4 * torch.rand(2, 3, 8, 8, generator=Generator().manual_seed(seed))
    raw = camera.unprocess(image)
    torch.testing.assert_close(camera.process(raw * camera.gains), image, atol=2e-5, rtol=0)


def test_white_stays_saturated_and_grey_keeps_its_colour() -> None:
    camera = _camera(3)
    white = camera.unprocess(torch.ones(1, 3, 2, 2))
    torch.testing.assert_close(white, torch.ones(1, 3, 2, 2))
    gray = camera.unprocess(torch.full((1, 3, 2, 2), 0.5)) * camera.gains
    torch.testing.assert_close(gray, gray[:, :1].expand_as(gray))


def test_gamma_is_a_power() -> None:
    camera = CameraIsp(torch.ones(3, 1, 1), torch.eye(3), gamma=2.2, tone_curve=False)
    linear = camera.unprocess(torch.full((1, 3, 1, 1), 0.5))
    torch.testing.assert_close(linear, torch.full((1, 3, 1, 1), 0.217638))


def test_cameras_are_as_the_paper_draws_them() -> None:
    cameras = [_camera(seed) for seed in range(400)]
    gains = torch.stack([camera.gains.flatten() for camera in cameras])
    red, _, blue = (gains / gains[:, 1:2]).T
    assert (red.min() >= 1.9) & (red.max() <= 2.4) & (blue.min() >= 1.5) & (blue.max() <= 1.9)
    exposure = 1 / gains[:, 1]
    assert exposure.mean().item() == pytest.approx(0.8, abs=0.02)
    assert exposure.std().item() == pytest.approx(0.1, abs=0.015)
    assert 0.4 < sum(camera.tone_curve for camera in cameras) / 400 < 0.6
    for camera in cameras[:20]:
        torch.testing.assert_close(camera.rgb_to_camera.sum(1), torch.ones(3))
