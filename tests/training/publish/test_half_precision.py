"""Weights stored as float16: what stays exact, and what still finds its layers."""

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, numpy_helper
from torch import nn

from models_store.onnx.half_precision import store_as_float16
from models_store.onnx.runtime import load_graph_fn
from models_store.onnx.weights import read_layers
from training.publish.spec import GraphSpec, export_graph


def _network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 64, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64 * 16, 7))


def _graph(network: nn.Module) -> GraphSpec:
    example = torch.randn(2, 3, 6, 6)
    return GraphSpec("model", network, ("y",), ({"x": example},))


def test_the_graph_computes_with_the_rounded_weights(tmp_path: Path) -> None:
    network = _network()
    exported = export_graph(_graph(network), tmp_path, half=True)
    with torch.no_grad():
        for layer in (network[0], network[3]):  # type: ignore[index]
            layer.weight.copy_(layer.weight.half().float())
        expected = network(torch.from_numpy(exported.cases[0].inputs["x"]))
    output = np.asarray(exported.graph_fn(exported.cases[0].inputs)["y"], np.float32)
    np.testing.assert_allclose(output, expected.numpy(), rtol=1e-4, atol=1e-5)


def test_it_takes_half_the_bytes_and_layers_keep_names_and_weights(tmp_path: Path) -> None:
    network = _network()
    (tmp_path / "whole").mkdir()
    whole = export_graph(_graph(network), tmp_path / "whole").path.read_bytes()
    half = export_graph(_graph(network), tmp_path, half=True).path.read_bytes()
    assert len(half) < 0.6 * len(whole)
    for ours, theirs in zip(read_layers(half), read_layers(whole), strict=True):
        assert (ours.name, ours.operator) == (theirs.name, theirs.operator)
        np.testing.assert_allclose(ours.weights_NChw, theirs.weights_NChw, rtol=1e-3, atol=1e-6)


def test_small_constants_and_those_beyond_the_range_stay_exact(tmp_path: Path) -> None:
    model = onnx.load(export_graph(_graph(_network()), tmp_path).path)
    weights = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    values = numpy_helper.to_array(weights).copy()
    values.flat[0] = 1e6
    weights.CopyFrom(numpy_helper.from_array(values, weights.name))
    assert store_as_float16(model) == 1  # the kernel of the convolution: 64 · 3 · 3 · 3
    stored = {t.name: t.data_type for t in model.graph.initializer}
    assert stored[weights.name] == TensorProto.FLOAT
    assert sum(kind == TensorProto.FLOAT16 for kind in stored.values()) == 1
    onnx.save(model, tmp_path / "half.onnx")
    load_graph_fn(tmp_path / "half.onnx")
