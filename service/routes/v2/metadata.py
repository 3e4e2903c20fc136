"""Metadata and configuration of a model for the Open Inference Protocol."""

from collections.abc import Sequence
from typing import Any

from service.codecs.tensors import BYTES, DATATYPES
from service.routes.v2.target import TEXT_INPUT, TEXT_OUTPUTS, InferTarget
from service.runtime.batched_graph import BatchedGraph
from service.schemas.v2 import ModelMetadata, TensorMetadata


def build_metadata(target: InferTarget) -> ModelMetadata:
    """Return the inputs and outputs of a model."""
    return ModelMetadata(
        name=target.name,
        versions=[str(version) for version in target.versions],
        platform="onnxruntime_onnx" if target.graph else "deepshelf_text",
        inputs=_inputs(target),
        outputs=_outputs(target),
    )


def _inputs(target: InferTarget) -> list[TensorMetadata]:
    if target.graph is None:
        return [_tensor(TEXT_INPUT, BYTES, ("texts",))]
    return [_tensor(spec.name, DATATYPES[spec.dtype], spec.shape) for spec in target.graph.inputs]


def _outputs(target: InferTarget) -> list[TensorMetadata]:
    if target.graph is None:
        return [_tensor(name, datatype, ("texts",)) for name, datatype in TEXT_OUTPUTS.items()]
    return [_tensor(spec.name, DATATYPES[spec.dtype], spec.shape) for spec in target.graph.outputs]


def _tensor(name: str, datatype: str, shape: Sequence[int | str]) -> TensorMetadata:
    sizes = [size if isinstance(size, int) else -1 for size in shape]
    return TensorMetadata(name=name, datatype=datatype, shape=sizes)


def build_config(target: InferTarget, *, max_batch_size: int, threads: int) -> dict[str, Any]:
    """Return Triton's model configuration (`model_config.proto`, as JSON), as far as it applies."""
    is_batched = target.is_batchable
    return {
        "name": target.name,
        "platform": "onnxruntime_onnx" if target.graph else "",
        "backend": "onnxruntime" if target.graph else "deepshelf",
        "version_policy": {"all": {}},
        "max_batch_size": max_batch_size if is_batched else 0,
        "input": [_config_tensor(tensor, is_batched) for tensor in _inputs(target)],
        "output": [_config_tensor(tensor, is_batched) for tensor in _outputs(target)],
        "instance_group": [_instance_group(target, threads)],
        **_dynamic_batching(target),
    }


def _instance_group(target: InferTarget, threads: int) -> dict[str, Any]:
    provider = target.model.providers.get(target.graph.role) if target.graph else None
    if provider in ("cuda", "tensorrt"):
        return {"name": target.name, "kind": "KIND_GPU", "count": 1}
    return {"name": target.name, "kind": "KIND_CPU", "count": threads}


def _dynamic_batching(target: InferTarget) -> dict[str, Any]:
    graph = target.model.graphs[target.graph.role] if target.graph else None
    if not isinstance(graph, BatchedGraph):
        return {}
    limits = {
        "preferred_batch_size": [graph.max_batch_size],
        "max_queue_delay_microseconds": round(graph.max_wait_s * 1e6),
    }
    return {"dynamic_batching": limits}


def _config_tensor(tensor: TensorMetadata, is_batched: bool) -> dict[str, Any]:
    data_type = "STRING" if tensor.datatype == BYTES else tensor.datatype
    dims = tensor.shape[1:] if is_batched else tensor.shape
    return {"name": tensor.name, "data_type": f"TYPE_{data_type}", "dims": dims}
