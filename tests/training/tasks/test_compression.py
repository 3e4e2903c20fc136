import math
from typing import Any

import numpy as np
import pytest
import torch

from models_store.compression.factorized import encode_latents
from tests.training.tiny import COMPRESSION, recipe
from training.engine.trainer import prepare
from training.errors import RecipeError
from training.metrics.rate_distortion import estimate_bits
from training.publish.compression.frequency_tables import build_frequency_tables
from training.tasks.compression import Compression


def _task(**changes: Any) -> Compression:
    content = {**COMPRESSION["task"], **changes}
    fields = {
        **COMPRESSION,
        "task": content,
        "optimizer": {"kind": "adam", "lr": 0.003},
        "schedule": {"kind": "constant"},
        "data": {"kind": "digits"},
    }
    task = prepare(recipe(**fields), accelerator="cpu")[1]
    assert isinstance(task, Compression)
    return task


def _trained(task: Compression, epochs: int = 6) -> dict[str, float]:
    torch.manual_seed(0)
    for epoch in range(epochs):
        for batch in task.batches(epoch):
            task.step(batch)
    return task.evaluate("test")


@pytest.mark.parametrize("deviation", [0.5, 1.0, 4.0, 30.0])
def test_the_estimate_is_what_the_coder_writes(deviation: float) -> None:
    uniform = torch.rand(4000, 3, 2, 1, generator=torch.Generator().manual_seed(0)).double()
    scale = deviation * math.sqrt(3) / math.pi
    logistic = (
        scale * (uniform / (1 - uniform)).log() + torch.tensor([-7.3, 0.2, 11.0])[:, None, None]
    )
    latents = logistic.round().short().numpy()
    tables = build_frequency_tables(latents)
    payload = encode_latents(latents.swapaxes(0, 1).reshape(3, -1), tables)
    estimate = float(estimate_bits(logistic.float(), noisy=False).sum()) / 8
    assert estimate == pytest.approx(len(payload), rel=0.03)


def test_noise_costs_as_many_bits_as_rounding() -> None:
    torch.manual_seed(0)
    latents = 5 * torch.randn(2000, 4, 1, 1)
    noisy, rounded = (float(estimate_bits(latents, noisy=noisy).mean()) for noisy in (True, False))
    assert noisy == pytest.approx(rounded, rel=0.01)


def test_wider_latents_cost_bits_and_have_a_gradient() -> None:
    torch.manual_seed(0)
    latents = torch.randn(500, 2, 1, 1)
    scale = torch.tensor([1.0, 20.0]).view(2, 1, 1).requires_grad_()
    (gradient,) = torch.autograd.grad(estimate_bits(latents * scale, noisy=True).mean(), scale)
    assert (gradient > 0).all()
    # By hand: the bits of a wide distribution grow as log2 of its scale.
    assert float(gradient[1]) == pytest.approx(1 / (20 * math.log(2)), rel=0.05)


def test_latents_that_never_move_are_free() -> None:
    assert float(estimate_bits(torch.zeros(10, 3, 1, 1), noisy=False).max()) < 1e-3


def test_training_brings_the_image_nearer() -> None:
    task = _task()
    before = task.evaluate("test")
    after = _trained(task)
    assert after["mse"] < before["mse"] / 2
    assert after["mse"] == after["mse_coded"]


def test_higher_rate_weight_gives_a_shorter_code() -> None:
    cheap, dear = (_trained(_task(rate_weight=weight)) for weight in (0.0, 0.1))
    assert dear["bytes"] < cheap["bytes"] - 1


def test_a_plain_autoencoder_is_measured_without_rounding() -> None:
    scores = _trained(_task(quantise=False), epochs=1)
    assert scores["mse"] == scores["mse_float"] != scores["mse_coded"]


def test_images_of_another_side_are_rejected() -> None:
    network = {**COMPRESSION["network"], "side": 28}
    with pytest.raises(RecipeError, match=r"side is 28, .* are \(8, 8\)"):
        prepare(recipe(**{**COMPRESSION, "network": network}), accelerator="cpu")


def test_a_network_without_latents_is_rejected() -> None:
    with pytest.raises(RecipeError, match="resnet is not an autoencoder"):
        prepare(recipe(task=COMPRESSION["task"]), accelerator="cpu")


def test_estimates_of_the_measure_are_near_the_published_tables() -> None:
    task = _task()
    scores = _trained(task)
    with torch.inference_mode():
        images = task.data.test.images_NCHW.float() / 255
        latents = task.autoencoder_to_publish().eval().encode(images).round().short().numpy()
    tables = build_frequency_tables(latents)
    written = [len(encode_latents(latent.reshape(len(latent), -1), tables)) for latent in latents]
    # A payload of a few bytes ends on a whole one, which costs half a byte on average.
    assert np.mean(written) == pytest.approx(scores["bytes"] + 0.5, abs=0.5)
