"""Read an ONNX file, with the data that it keeps in other files."""

import math
from collections.abc import Iterator
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import TensorProto, external_data_helper

from models_store.errors import AddError

_MAX_BYTES = (1 << 31) - 1
"""Protocol Buffers messages end at 2 GiB, and the published graph is one message."""


def read_model(path: Path) -> onnx.ModelProto:
    """Return the model in `path`, with its external data included.

    Raises:
        AddError: it is no ONNX model, is too large, or lacks some of its data.
    """
    if not path.is_file():
        raise AddError(f"there is no file {path}")
    _check_size(path, path.stat().st_size)
    try:
        model = onnx.load_model(path, load_external_data=False)
    except DecodeError as error:
        raise AddError(f"{path} is not an ONNX file") from error
    if not model.graph.node:
        raise AddError(f"{path} is not an ONNX file, or its graph has no operators")
    _load_external_data(path, model)
    return model


def _load_external_data(path: Path, model: onnx.ModelProto) -> None:
    try:
        infos = [
            external_data_helper.ExternalDataInfo(tensor)
            for tensor in _initializers(model.graph)
            if external_data_helper.uses_external_data(tensor)
        ]
        for info in infos:
            if not (path.parent / info.location).is_file():
                file = info.location or "a file without a name"
                raise AddError(f"{path} keeps weights in {file}, which is not beside it")
        _check_size(path, path.stat().st_size + sum(info.length or 0 for info in infos))
        external_data_helper.load_external_data_for_model(model, str(path.parent))
    except (ValueError, OSError, onnx.checker.ValidationError) as error:
        raise AddError(f"the external data of {path} cannot be read: {error}") from error
    _check_size(path, model.ByteSize())


def _check_size(path: Path, size: int) -> None:
    if size > _MAX_BYTES:
        raise AddError(f"{path} has {size:,} bytes with its weights; the limit is 2 GiB")


def count_parameters(model: onnx.ModelProto) -> int:
    """Return the number of weights; those of a tree ensemble are attributes of its operator."""
    tensors = sum(int(math.prod(tensor.dims)) for tensor in _initializers(model.graph))
    attributes = sum(
        len(attribute.floats) for node in model.graph.node for attribute in node.attribute
    )
    return tensors + attributes


def _initializers(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    """Yield the initializers and constants of a graph and of the graphs inside its operators."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                yield attribute.t
            elif attribute.type == onnx.AttributeProto.GRAPH:
                yield from _initializers(attribute.g)
