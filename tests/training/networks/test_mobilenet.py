import json
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import mobilenet_v2

from training.networks import NetworkConfig
from training.networks.mobilenet import MobileNet, _SameConv2d, use_same_padding


def _network(**changes: Any) -> MobileNet:
    torch.manual_seed(0)
    settings = {"classes": 3, "width": 0.25, "weights": "random", **changes}
    return MobileNet.Config.model_validate(settings).build()


def _convolved(side: int) -> Tensor:
    """Return sums over 3×3 windows of the numbers 1, 2, 3 … in a square, at stride 2, SAME."""
    convolution = _SameConv2d(1, 1, 3, 2, bias=False)
    nn.init.ones_(convolution.weight)
    numbers = torch.arange(1.0, side * side + 1).view(1, 1, side, side)
    with torch.inference_mode():
        sums: Tensor = convolution(numbers)
    return sums[0, 0]


def test_an_even_side_is_padded_at_its_end_alone() -> None:
    # Rows 1 2 3 4 / 5 6 7 8 / 9 10 11 12 / 13 14 15 16, by hand: the first window is whole,
    # 1 + 2 + 3 + 5 + 6 + 7 + 9 + 10 + 11 = 54; the last is 11 + 12 + 15 + 16 = 54 as well.
    assert _convolved(4).tolist() == [[54, 45], [72, 54]]


def test_an_odd_side_is_padded_at_both_ends() -> None:
    # Rows 1 2 3 / 4 5 6 / 7 8 9, by hand: each corner sees its own 2×2.
    assert _convolved(3).tolist() == [[12, 16], [24, 28]]


@pytest.mark.parametrize("size", [(6, 8), (7, 8), (6, 5), (9, 11), (2, 1)])
def test_padding_is_what_tensorflow_documents(size: tuple[int, int]) -> None:
    # tf.nn, "Notes on padding": in all max(0, (ceil(n / 2) - 1) * 2 + 3 - n), the larger half last.
    torch.manual_seed(0)
    convolution = _SameConv2d(4, 4, 3, 2, groups=4, bias=False)
    images = torch.rand(2, 4, *size)
    edges: list[int] = []
    for n in reversed(size):
        whole = max(0, (-(-n // 2) - 1) * 2 + 3 - n)
        edges += [whole // 2, whole - whole // 2]
    padded = functional.pad(images, edges)
    expected = functional.conv2d(padded, convolution.weight, stride=2, groups=4)
    torch.testing.assert_close(convolution(images), expected)
    assert expected.shape[2:] == tuple(-(-n // 2) for n in size)


def test_only_convolutions_of_stride_2_are_padded_otherwise() -> None:
    def strided(network: MobileNet) -> list[type[nn.Module]]:
        return [type(m) for m in network.modules() if getattr(m, "stride", None) == (2, 2)]

    # Sandler et al., table 2: the stem and the stages of 24, 32, 64 and 160 channels.
    assert strided(_network(padding="tf-same")) == [_SameConv2d] * 5
    assert strided(_network()) == [nn.Conv2d] * 5


@pytest.mark.parametrize("padding", ["torchvision", "tf-same"])
def test_features_are_torchvisions_by_name_and_shape(padding: str) -> None:
    ours = _network(padding=padding, width=1.0).features.state_dict()
    theirs = mobilenet_v2().features.state_dict()
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}


def test_with_torchvisions_padding_it_computes_what_torchvision_computes() -> None:
    network, reference = _network(width=1.0), mobilenet_v2().eval()
    reference.features.load_state_dict(network.features.state_dict())
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        expected = reference.features(images).mean((2, 3))
        torch.testing.assert_close(network.eval().pool(images), expected)


def test_training_leaves_the_statistics_of_batch_norm_alone() -> None:
    network = _network().train()
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    network(torch.rand(4, 3, 64, 64)).sum().backward()
    assert before
    assert all(torch.equal(before[name], buffer) for name, buffer in network.named_buffers())
    assert not any(m.training for m in network.modules() if isinstance(m, nn.BatchNorm2d))
    assert network.head.training


def test_frozen_features_get_no_gradient() -> None:
    network = _network(frozen=True)
    network(torch.rand(2, 3, 64, 64)).sum().backward()
    got = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is not None}
    assert got == {"head"}


@pytest.mark.parametrize(
    ("scaling", "black", "white"),
    [
        ("symmetric", [-1.0] * 3, [1.0] * 3),
        # torchvision's documented mean and deviation; (0 - mean) / std and (1 - mean) / std
        ("torchvision", [-2.1179, -2.0357, -1.8044], [2.2489, 2.4286, 2.64]),
    ],
)
def test_scaling_is_that_of_the_weights(
    scaling: str, black: list[float], white: list[float]
) -> None:
    config = MobileNet.Config.model_validate({"classes": 2, "scaling": scaling})
    mean, std = config.statistics
    for value, expected in ((0.0, black), (1.0, white)):
        got = [(value - m) / s for m, s in zip(mean, std, strict=True)]
        assert got == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("path", "published"),
    [
        ("/home/someone/w.pth", "w.pth"),
        ("~/w.pth", "w.pth"),
        ("mobilenet/w.pth", "mobilenet/w.pth"),
        (None, None),
    ],
)
def test_a_published_recipe_holds_no_path_of_the_weights(
    path: str | None, published: str | None
) -> None:
    config = MobileNet.Config(classes=2, weights_path=path and Path(path))
    dumped = config.model_dump(mode="json", context={"published": True})
    assert dumped["weights_path"] == published
    assert json.loads(config.model_dump_json())["weights_path"] == path
    adapter: TypeAdapter[Any] = TypeAdapter(NetworkConfig)
    assert adapter.validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize("side", [8, 9, 14, 15])
@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_strides_are_padded_as_tensorflow_documents_it(kernel: int, side: int) -> None:
    # https://www.tensorflow.org/api_docs/python/tf/nn#same_padding
    outputs = -(-side // 2)
    total = max((outputs - 1) * 2 + kernel - side, 0)
    before, after = total // 2, total - total // 2
    network = nn.Sequential(nn.Conv2d(1, 1, kernel, 2, kernel // 2))
    image = torch.rand(1, 1, side, side)
    padded = functional.pad(image, (before, after, before, after))
    layer = network[0]
    assert isinstance(layer, nn.Conv2d)
    expected = functional.conv2d(padded, layer.weight, layer.bias, 2)
    use_same_padding(network)
    torch.testing.assert_close(network(image), expected)
