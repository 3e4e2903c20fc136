import math

import pytest
import torch

from training.networks.autoencoder import Autoencoder, ConvAutoencoder, DenseAutoencoder
from training.networks.photo_codec.integer_ops import round_ste


@pytest.fixture(params=["dense", "conv"])
def network(request: pytest.FixtureRequest) -> Autoencoder:
    torch.manual_seed(0)
    if request.param == "dense":
        return DenseAutoencoder.Config(side=8, widths=(20,), latents=5).build().eval()
    return ConvAutoencoder.Config(side=8, widths=(4, 6), latents=5).build().eval()


def test_rounding_lets_the_gradient_through() -> None:
    latents = torch.tensor([0.4, 1.6, -2.5], requires_grad=True)
    rounded = round_ste(latents)
    assert rounded.tolist() == [0, 2, -2]  # half to even, as ONNX rounds
    (gradient,) = torch.autograd.grad((rounded * torch.tensor([1.0, 2.0, 3.0])).sum(), latents)
    assert gradient.tolist() == [1, 2, 3]


def test_the_answer_is_decoded_from_whole_numbers(network: Autoencoder) -> None:
    images = torch.rand(3, 1, 8, 8)
    with torch.inference_mode():
        latents = network.encode(images)
        assert latents.shape == (3, 5, 1, 1)
        torch.testing.assert_close(network(images), network.decode(latents.round()))


def test_a_larger_scale_is_a_finer_step(network: Autoencoder) -> None:
    images = torch.rand(3, 1, 8, 8)
    with torch.inference_mode():
        exact, latents = network.reconstruct(images, quantise=False)
        errors = []
        for _ in range(2):
            errors.append((network(images) - exact).abs().max())
            network.log_scale.add_(math.log(16))
        torch.testing.assert_close(network.encode(images), latents * 256, rtol=1e-3, atol=1e-3)
    assert errors[1] < errors[0] / 4


def test_pixels_stay_between_black_and_white(network: Autoencoder) -> None:
    with torch.inference_mode():
        images = network.decode(torch.full((2, 5, 1, 1), 1000.0))
    assert images.min() >= 0
    assert images.max() <= 1


def test_a_side_that_cannot_be_halved_is_rejected() -> None:
    with pytest.raises(ValueError, match="30 cannot be halved 2 times"):
        ConvAutoencoder.Config(side=30, widths=(4, 8))
