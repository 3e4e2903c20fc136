"""Static 8-bit quantisation of a convolutional graph, by onnxruntime's own tool.

Weights are s8 with a scale for each output channel, activations u8 with one for each tensor, found
by letting `Calibration` through. Weights keep seven bits: processors without VNNI add two products
of a u8 and an s8 in sixteen bits.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

__all__ = ["Calibration", "static_int8"]

_OPERATORS = ["Conv", "Gemm", "MatMul", "Add", "Relu", "Clip", "GlobalAveragePool"]
_BATCH = 16


class Calibration(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """Pictures (N, H, W, C) as the graph takes them."""

    def __init__(self, pictures_NHWC: NDArray[np.uint8]) -> None:
        self._batches: Iterator[NDArray[np.uint8]] = iter(
            [pictures_NHWC[at : at + _BATCH] for at in range(0, len(pictures_NHWC), _BATCH)]
        )

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """The next batch; None at the end."""
        batch = next(self._batches, None)
        return None if batch is None else {"images": batch}


def static_int8(source: Path, target: Path, pictures: Calibration) -> None:
    """Quantise the graph at `source` from its first convolution on; what is before stays."""
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(target),
            pictures,
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=_OPERATORS,
            nodes_to_exclude=_before_convolutions(prepared),
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )


def _before_convolutions(path: Path) -> list[str]:
    """Nodes that scale the picture: eight bits of what was eight bits already lose some."""
    nodes = onnx.load(path).graph.node
    first = next((at for at, node in enumerate(nodes) if node.op_type == "Conv"), len(nodes))
    return [node.name for node in nodes[:first]]
