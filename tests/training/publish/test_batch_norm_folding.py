"""Norms folded into convolutions: the outputs are unchanged, and no norm is left in the graph."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from training.networks.autoencoder import ConvAutoencoder
from training.networks.resnet import ResNet
from training.publish.spec import GraphSpec, export_graph

IMAGES = torch.linspace(-2, 2, 3 * 8 * 8).view(3, 1, 8, 8)


def _lively(network: nn.Module, example: torch.Tensor) -> nn.Module:
    """Give norms scales, shifts and averages other than zero and one."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    with torch.no_grad():
        for _ in range(3):
            network.train()(example)
    return network.eval()


def _exported(module: nn.Module, example: torch.Tensor, folder: Path) -> list[str]:
    """Return the node types of the graph, after comparing its outputs with torch's."""
    graph = GraphSpec("model", module, ("y",), ({"x": example},))
    exported = export_graph(graph, folder)
    (case,) = exported.cases
    outputs = np.asarray(exported.graph_fn(case.inputs)["y"], dtype=np.float32)
    expected = np.asarray(case.outputs["y"], dtype=np.float32)
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)
    return [node.op_type for node in onnx.load(exported.path).graph.node]


def test_a_residual_net_has_no_norm_left(tmp_path: Path) -> None:
    network = ResNet.Config(depth=20, stem="cifar", classes=10, in_channels=1, width=4).build()
    assert "BatchNormalization" not in _exported(_lively(network, IMAGES), IMAGES, tmp_path)


def test_a_norm_behind_a_pixel_shuffle_is_folded_too(tmp_path: Path) -> None:
    network = ConvAutoencoder.Config(side=8, widths=(4, 6), latents=5, blocks=0).build()
    _lively(network, IMAGES)
    latents = torch.randn(3, 5, 1, 1)
    nodes = _exported(network.decoder, latents, tmp_path)
    assert "DepthToSpace" in nodes
    assert "BatchNormalization" not in nodes


@pytest.mark.parametrize(
    "module",
    [
        nn.Sequential(nn.Conv2d(1, 8, 3, bias=False), nn.PixelShuffle(2), nn.BatchNorm2d(2)),
        nn.Sequential(nn.ConvTranspose2d(1, 4, 2, 2), nn.BatchNorm2d(4)),
    ],
    ids=["shuffle", "transposed"],
)  # fmt: skip
def test_small_networks_are_folded(module: nn.Module, tmp_path: Path) -> None:
    assert "BatchNormalization" not in _exported(_lively(module, IMAGES), IMAGES, tmp_path)


def _pooled(scale: float) -> nn.Sequential:
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), nn.BatchNorm2d(4))
    _lively(module, IMAGES)
    norm = module[2]
    assert isinstance(norm, nn.BatchNorm2d)
    nn.init.constant_(norm.weight[-1:], scale)
    return module


def test_a_norm_of_positive_scales_is_folded_past_a_max_pooling(tmp_path: Path) -> None:
    assert _exported(_pooled(0.7), IMAGES, tmp_path) == ["Conv", "MaxPool"]
    (weight, _) = onnx.load(tmp_path / "model.onnx").graph.initializer
    assert weight.name == "0.weight"


def test_a_negative_scale_keeps_the_norm_behind_a_max_pooling(tmp_path: Path) -> None:
    assert "BatchNormalization" in _exported(_pooled(-0.7), IMAGES, tmp_path)


def test_a_norm_that_is_not_behind_a_convolution_stays(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.BatchNorm2d(2))
    assert "BatchNormalization" in _exported(_lively(module, IMAGES), IMAGES, tmp_path)
