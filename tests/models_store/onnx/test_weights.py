"""Weights out of a graph's bytes, against the onnx package, which the service does without."""

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models_store.layout import list_versions
from models_store.onnx.half_precision import FLOAT16_SUFFIX
from models_store.onnx.weights import Layer, add_output, read_layers
from models_store.visualization.filters import color_scale, render_feature_maps, render_filters
from tests.models_store.tampering import save_graph
from tests.repository import ROOT

Array = NDArray[np.float32]


def _random(*shape: int) -> Array:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def _one(operator: str, weights: Array, **attributes: Any) -> Layer:
    node = helper.make_node(operator, ["x", "network.some.weight"], ["y"], **attributes)
    (layer,) = read_layers(
        save_graph([node], [numpy_helper.from_array(weights, "network.some.weight")])
    )
    assert (layer.name, layer.operator, layer.output) == ("some", operator, "y")
    return layer


def test_filters_are_the_first_axis_for_every_operator() -> None:
    kernel, matrix = _random(5, 3, 2, 4), _random(6, 7)
    np.testing.assert_array_equal(_one("Conv", kernel).weights_NChw, kernel)
    swapped = kernel.swapaxes(0, 1)
    np.testing.assert_array_equal(_one("ConvTranspose", kernel).weights_NChw, swapped)
    flat = _one("Conv", _random(5, 3, 2)).weights_NChw
    assert flat.shape == (5, 3, 2, 1)
    assert _one("MatMul", matrix).weights_NChw.shape == (7, 6, 1, 1)
    assert _one("Gemm", matrix).weights_NChw.shape == (7, 6, 1, 1)
    assert _one("Gemm", matrix, transB=1).weights_NChw.shape == (6, 7, 1, 1)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_values_are_read_in_every_floating_type(kind: int) -> None:
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    tensor = numpy_helper.from_array(_random(4, 2).astype(dtype), "w")
    (layer,) = read_layers(save_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], [tensor]))
    np.testing.assert_allclose(layer.weights_NChw[..., 0, 0].T, _random(4, 2), rtol=1e-3)


def test_values_are_read_from_the_field_of_floats_too() -> None:
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [2, 2], [1.0, 2.0, 3.0, 4.0])
    assert not tensor.raw_data
    (layer,) = read_layers(save_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], [tensor]))
    assert layer.weights_NChw.ravel().tolist() == [1.0, 3.0, 2.0, 4.0]


@pytest.mark.parametrize("name", ["resnet-cifar10", "mobilenet-hymenoptera", "denoiser-mnist"])
def test_published_convolutions_are_those_that_onnx_reads(name: str) -> None:
    store = ROOT / "models_store"
    content = (store / name / str(max(list_versions(store, name))) / "model.onnx").read_bytes()
    model = onnx.load_from_string(content)
    tensors = {  # the smaller ones and those of denoiser-mnist are stored as float32
        t.name.removesuffix(FLOAT16_SUFFIX): numpy_helper.to_array(t).astype(np.float32)
        for t in model.graph.initializer
    }
    expected = [tensors[n.input[1]] for n in model.graph.node if n.op_type == "Conv"]
    found = [layer.weights_NChw for layer in read_layers(content) if layer.operator == "Conv"]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_tensor_from_within_becomes_an_output() -> None:
    nodes = [helper.make_node("Relu", ["x"], ["h"]), helper.make_node("Neg", ["h"], ["y"])]
    model = onnx.load_from_string(add_output(save_graph(nodes, []), "h"))
    assert [value.name for value in model.graph.output] == ["y", "h"]
    assert [node.op_type for node in model.graph.node] == ["Relu", "Neg"]


def test_dead_are_filters_below_a_thousandth_of_the_largest_weight() -> None:
    weights = np.zeros((4, 1, 1, 2), np.float32)
    weights[0, 0, 0, 1], weights[1, 0, 0, 0], weights[2] = -2.0, 0.0021, 0.0019
    layer = Layer("l", "Conv", weights, "y")
    assert layer.dead_N.tolist() == [False, False, True, True]
    assert Layer("l", "Conv", np.zeros_like(weights), "y").dead_N.all()


def test_one_scale_white_for_zero_and_equal_strength_for_opposite_weights() -> None:
    weights = np.array([0.0, 1.0, -1.0, 0.5], np.float32).reshape(4, 1, 1, 1)
    pixels = render_filters(Layer("l", "Conv", weights, "y"))
    seen = {tuple(color) for color in pixels.reshape(-1, 3).tolist()}
    # Frame of the dead one, frame, zero, the two ends and a half.
    assert seen == {
        (255, 0, 200), (225, 225, 225), (255, 255, 255), (178, 24, 43), (33, 102, 172),
        (216, 140, 149),
    }  # fmt: skip


def test_one_huge_weight_does_not_hide_the_others() -> None:
    weights = _random(50, 20, 1, 1)
    expected = float(np.percentile(np.abs(weights), 99))
    weights[0, 0] = 1e6
    assert color_scale(weights) == pytest.approx(expected, rel=0.1)


def test_many_inputs_are_a_row_and_dead_rows_are_marked() -> None:
    weights = _random(30, 10, 3, 3)
    weights[7] = 0
    pixels = render_filters(Layer("l", "Conv", weights, "y"))
    marked = (pixels == (255, 0, 200)).all(2)
    rows = np.flatnonzero(marked.any(1))
    factor = len(pixels) // (30 * 4)
    assert (rows[0], rows[-1] + 1) == (7 * 4 * factor, 8 * 4 * factor)


def test_maps_that_are_zero_everywhere_are_marked() -> None:
    maps = _random(5, 6, 8)
    without = (render_feature_maps(maps) == (255, 0, 200)).all(2).any()
    maps[2] = 0
    assert not without
    assert (render_feature_maps(maps) == (255, 0, 200)).all(2).any()


@pytest.mark.parametrize("content", [b"no graph", b"\xff" * 40])
def test_bytes_that_are_no_graph_are_rejected(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"a (number|field)"):
        read_layers(content)
