"""Static 8-bit quantisation of a convolutional graph, by onnxruntime's own tool.

Weights are s8 with a scale for each output channel, activations u8 with one for each tensor, which
is calibrated on `CalibrationImages`. Weights keep seven bits: processors without VNNI add two
products of a u8 and an s8 in sixteen bits.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, numpy_helper
from onnx.helper import make_node
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxscript.optimizer import remove_unused_nodes

_OPERATORS = ["Conv", "Gemm", "MatMul", "Add", "Relu", "Clip", "GlobalAveragePool"]
_BATCH = 16


class CalibrationImages(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """Provides images (N, H, W, C) to the calibration."""

    def __init__(self, images_NHWC: NDArray[np.uint8]) -> None:
        starts = range(0, len(images_NHWC), _BATCH)
        self._batches = iter([{"images": images_NHWC[at : at + _BATCH]} for at in starts])

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """Return the next batch; None at the end."""
        return next(self._batches, None)


def quantize_static_int8(source: Path, target: Path, calibration: CalibrationImages) -> None:
    """Quantize the graph at `source` from its first convolution on."""
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        model = onnx.load(prepared)
        normalize_by_rows(model)
        onnx.save(model, prepared)
        quantize_static(
            str(prepared),
            str(target),
            calibration,
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=_OPERATORS,
            nodes_to_exclude=_nodes_before_first_conv(prepared),
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )


def normalize_by_rows(model: ModelProto) -> None:
    """Compute `image * scale + shift` before a convolution over whole rows of the image.

    The image has its channels last, and the quantised convolution wants them last, so
    onnxruntime moves the transposition behind the product and the sum. These then broadcast three
    numbers over each pixel, which takes a fifth of the time of a whole MobileNet. With constants
    repeated to a row of W · C numbers, they compute the same in almost no time.
    """
    graph = model.graph
    producers = {name: node for node in graph.node for name in node.output}
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for convolution in [node for node in graph.node if node.op_type == "Conv"]:
        add = producers.get(convolution.input[0])
        shift_C, product = _per_channel_constant(add, "Add", constants)
        scale_C, scaled = _per_channel_constant(producers.get(product), "Mul", constants)
        image_input = _find_image_input(graph, producers, scaled)
        if add is None or shift_C is None or scale_C is None or image_input is None:
            continue
        rows = _row_normalization_nodes(graph, image_input, scale_C, shift_C, add.output[0])
        index_of_add = list(graph.node).index(add)
        graph.node.remove(add)
        for index, node in enumerate(rows):
            graph.node.insert(index_of_add + index, node)
        producers[add.output[0]] = rows[-1]
    remove_unused_nodes(model)


def _per_channel_constant(
    node: NodeProto | None, kind: str, constants: Mapping[str, NDArray[np.float32]]
) -> tuple[NDArray[np.float32] | None, str]:
    """Return the constant (C,) that this node adds or multiplies, and its other input's name."""
    if node is None or node.op_type != kind:
        return None, ""
    for constant, other in (tuple(node.input), tuple(reversed(node.input))):
        values = constants.get(constant)
        if values is not None and values.ndim == 4 and values.size == values.shape[1]:
            return values.reshape(-1), other
    return None, ""


def _find_image_input(
    graph: GraphProto, producers: Mapping[str, NodeProto], name: str
) -> ValueInfoProto | None:
    """Return the graph's input (B, H, W, C) that `name` is a cast and transposition of."""
    traversed = []
    while name in producers and producers[name].op_type in ("Cast", "Transpose"):
        traversed.append(producers[name])
        name = producers[name].input[0]
    orders = [list(node.attribute[0].ints) for node in traversed if node.op_type == "Transpose"]
    graph_input = next((value for value in graph.input if value.name == name), None)
    return graph_input if orders == [[0, 3, 1, 2]] else None


def _row_normalization_nodes(
    graph: GraphProto,
    image_input: ValueInfoProto,
    scale_C: NDArray[np.float32],
    shift_C: NDArray[np.float32],
    result: str,
) -> list[NodeProto]:
    """Return nodes from `image_input` to `result` (B, C, H, W); add their constants."""
    height, width, channels = (dim.dim_value for dim in image_input.type.tensor_type.shape.dim[1:])
    constants = {
        f"{result}_rows": np.array([0, height, width * channels]),
        f"{result}_pixels": np.array([0, height, width, channels]),
        # Other names than the quantiser's own, which end in _scale and _zero_point.
        f"{result}_factors": np.tile(scale_C, width),
        f"{result}_summands": np.tile(shift_C, width),
    }
    graph.initializer.extend(
        numpy_helper.from_array(values, name) for name, values in constants.items()
    )
    rows, pixels, factors, summands = constants
    steps: list[tuple[str, list[str], dict[str, Any]]] = [
        ("Cast", [], {"to": TensorProto.FLOAT}),
        ("Reshape", [rows], {}),
        ("Mul", [factors], {}),
        ("Add", [summands], {}),
        ("Reshape", [pixels], {}),
        ("Transpose", [], {"perm": [0, 3, 1, 2]}),
    ]
    nodes, previous = [], image_input.name
    for index, (kind, constant_inputs, attributes) in enumerate(steps):
        output = result if index == len(steps) - 1 else f"{result}_step_{index}"
        name = f"{result}_{kind}_{index}"
        nodes.append(
            make_node(kind, [previous, *constant_inputs], [output], name=name, **attributes)
        )
        previous = output
    return nodes


def _nodes_before_first_conv(path: Path) -> list[str]:
    """Return the nodes that scale the image: quantizing 8-bit values again would lose accuracy."""
    nodes = onnx.load(path).graph.node
    first = next((index for index, node in enumerate(nodes) if node.op_type == "Conv"), len(nodes))
    return [node.name for node in nodes[:first]]
