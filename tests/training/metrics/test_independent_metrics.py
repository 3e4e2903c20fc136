import math
from pathlib import Path

import numpy as np
import pytest
import torch

from models_store.sampling.latents import latent_from_seed, slerp
from training.datasets.base import ImageData, ImageSplit
from training.metrics.independent_metrics import (
    independent_metrics,
    morph_latents,
    sharpness,
    spread,
)


def _noise(count: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randint(256, (count, 3, 64, 64), generator=random, dtype=torch.uint8)


def test_sharpness_is_the_mean_length_of_the_gradient() -> None:
    # Brightness rises by 3 a column and 4 a row: the gradient is 5 long everywhere.
    ramp = 3 * torch.arange(8) + 4 * torch.arange(8)[:, None]
    assert sharpness(ramp.expand(2, 3, 8, 8).to(torch.uint8)) == pytest.approx(5)
    assert sharpness(torch.full((2, 3, 8, 8), 9, dtype=torch.uint8)) == 0


def test_spread_is_the_mean_distance_of_pairs() -> None:
    images = torch.tensor([0, 30, 90], dtype=torch.uint8).view(3, 1, 1, 1).expand(3, 3, 4, 4)
    assert spread(images) == pytest.approx((30 + 90 + 60) / 3)


def test_morphs_lie_between_two_seeds_on_the_services_own_way() -> None:
    latents = morph_latents(16)
    assert latents.shape == (400, 16)
    expected = slerp(latent_from_seed(2, 16), latent_from_seed(3, 16), 1 / 9)
    assert np.array_equal(latents[8].numpy(), expected)


def test_generated_images_are_measured_by_the_installed_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DEEPSHELF_STORE", str(tmp_path))
    real = _noise(20)
    data = ImageData(
        title="noise",
        licence="none",
        source="none",
        labels=(),
        train=ImageSplit(real, torch.zeros(20, dtype=torch.int64)),
        test=ImageSplit(real[:2], torch.zeros(2, dtype=torch.int64)),
    )
    flatter = (real[:10].float() / 2).to(torch.uint8)
    found = {f.name: f for f in independent_metrics(data, flatter, lambda z: flatter[: len(z)], 8)}
    assert found.keys() == {"sharpness", "spread"}  # noise has no eyes, the store no classifier
    assert found["sharpness"].value == pytest.approx(0.5, abs=0.01)
    assert found["spread"].value == pytest.approx(0.5, abs=0.01)
    assert found["spread"].n == 10
    assert math.isfinite(found["spread"].value)
    assert "no Fréchet distance of classifier features" in caplog.text
