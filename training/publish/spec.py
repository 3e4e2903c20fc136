"""`ExportSpec`: the description of a model to publish, and the export of its graphs to ONNX.

`export_spec` describes a task's trained network, with a builder for each task class.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import singledispatch
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models_store.errors import ReplayError
from models_store.manifest import DataSource, Metric, Role, TensorSpec
from models_store.onnx.half_precision import store_as_float16
from models_store.onnx.runtime import load_graph_fn
from models_store.tasks import Task as ServedTask
from models_store.verify import GoldenCase, GraphFn
from training.config.recipe import Recipe
from training.errors import ExportError
from training.publish.onnx.batch_norm_folding import fold_batch_norms
from training.tasks.base import Task

GraphFns = Mapping[str, GraphFn]
"""Functions that run the exported graphs, by role."""


def run_in_batches(
    run: GraphFn, input_name: str, rows: Tensor, size: int = 250
) -> dict[str, Tensor]:
    """Run a graph of one input on `rows`, `size` at a time, and join its outputs."""
    outputs = [run({input_name: part.contiguous().numpy()}) for part in torch.split(rows, size)]
    return {
        name: torch.from_numpy(np.concatenate([output[name] for output in outputs]))
        for name in outputs[0]
    }


@dataclass(frozen=True)
class GraphSpec:
    """One graph to export. `module` maps the inputs of a case in order to `outputs` in order."""

    role: Role
    module: nn.Module
    outputs: tuple[str, ...]
    cases: tuple[Mapping[str, Tensor], ...]
    """Golden inputs. All dynamic axes of the first one must have a size of at least two: the
    exporter treats an axis of size one as constant."""
    dynamic_axes: Mapping[int, str] = field(default_factory=lambda: {0: "batch"})
    """Names of the axes of any size; inputs with fewer axes have the first of them."""
    build_onnx: Callable[[], onnx.ModelProto] | None = None
    """Builds the graph in place of the exporter; parity with `module` is checked as well."""

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(self.cases[0])


@dataclass(frozen=True)
class Attachment:
    """A file other than a graph that serving the model needs."""

    role: Role
    path: str
    content: bytes


@dataclass(frozen=True)
class ExportSpec:
    """Description of a model to publish."""

    task: ServedTask
    graphs: tuple[GraphSpec, ...]
    data: tuple[DataSource, ...]
    report: Callable[[GraphFns, Path], tuple[Metric, ...]]
    """Measures the exported graphs, which are what is served, and draws the preview."""
    rtol: float = 1e-3
    atol: float = 1e-4
    attachments: tuple[Attachment, ...] = ()
    parameter_count: int | None = None
    """Set when graphs share parameters; otherwise the parameters of all graphs are counted."""


@dataclass(frozen=True)
class ExportedGraph:
    """A checked graph on disk, with golden cases computed by the network."""

    path: Path
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    cases: list[GoldenCase]
    graph_fn: GraphFn


def export_graph(
    graph: GraphSpec,
    folder: Path,
    *,
    half: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> ExportedGraph:
    """Write `<role>.onnx`, check it, and compute the golden outputs with torch.

    With `half`, weights are stored as float16; the golden outputs are those of the exact ones.
    `metadata` become the graph's `metadata_props`, which viewers such as Netron show.

    Raises:
        ExportError: when the module cannot be exported, or the graph is not valid ONNX, or
            onnxruntime does not accept it.
    """
    path = folder / f"{graph.role}.onnx"
    module = graph.module.eval().cpu()
    model = _export_onnx(module, graph) if graph.build_onnx is None else graph.build_onnx()
    if half:
        store_as_float16(model)
    onnx.helper.set_model_props(model, dict(metadata or {}))
    onnx.save_model(model, path)
    try:
        onnx.checker.check_model(str(path), full_check=True)
        run = load_graph_fn(path)
    except (
        onnx.checker.ValidationError,
        onnx.shape_inference.InferenceError,
        ReplayError,
    ) as error:
        raise ExportError(f"{path.name} is not a usable graph: {error}") from error
    return ExportedGraph(
        path,
        _tensor_specs(model.graph.input),
        _tensor_specs(model.graph.output),
        [_golden_case(module, graph, inputs) for inputs in graph.cases],
        run,
    )


def _export_onnx(module: nn.Module, graph: GraphSpec) -> onnx.ModelProto:
    try:
        program = _export_program(module, graph)
    except torch.onnx.errors.OnnxExporterError as error:
        raise ExportError(
            f"{graph.role}.onnx cannot be exported: {error.__cause__ or error}"
        ) from error
    model = _strip_metadata(program.model_proto)
    fold_batch_norms(model)
    return model


def _export_program(module: nn.Module, graph: GraphSpec) -> torch.onnx.ONNXProgram:
    example = tuple(graph.cases[0].values())
    dims = {axis: torch.export.Dim(name) for axis, name in graph.dynamic_axes.items()}
    with warnings.catch_warnings():
        # Inputs share axes such as the batch on purpose, and one name is enough.
        warnings.filterwarnings("ignore", "# The axis name", UserWarning)
        program = torch.onnx.export(
            module,
            example,
            dynamo=True,
            input_names=graph.inputs,
            output_names=graph.outputs,
            dynamic_shapes=tuple(
                {axis: dim for axis, dim in dims.items() if axis < tensor.ndim}
                for tensor in example
            ),
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise ExportError(f"{graph.role}.onnx: the exporter returned no program")
    return program


def _strip_metadata(model: onnx.ModelProto) -> onnx.ModelProto:
    """Remove the metadata on the origin of each node and value.

    It names files of this machine, and is the larger part of a small network's file. onnx-ir's
    `ClearMetadataAndDocStringPass` leaves the metadata of values.
    """
    messages: list[Any] = [model]
    while messages:
        message = messages.pop()
        for descriptor, value in message.ListFields():
            if descriptor.name in ("metadata_props", "doc_string"):
                message.ClearField(descriptor.name)
            elif descriptor.message_type is not None:
                messages += value if isinstance(value, Iterable) else [value]
    return model


def _golden_case(module: nn.Module, graph: GraphSpec, inputs: Mapping[str, Tensor]) -> GoldenCase:
    with torch.inference_mode():
        outputs = module(*(inputs[name] for name in graph.inputs))
    tensors = outputs if isinstance(outputs, tuple) else (outputs,)
    return GoldenCase(_arrays(inputs), _arrays(dict(zip(graph.outputs, tensors, strict=True))))


def _arrays(tensors: Mapping[str, Tensor]) -> dict[str, NDArray[np.generic]]:
    return {name: np.asarray(tensor.numpy()) for name, tensor in tensors.items()}


def _tensor_specs(values: object) -> tuple[TensorSpec, ...]:
    specs = []
    for value in values:  # type: ignore[attr-defined]  # protobuf's repeated field has no stub
        tensor = value.type.tensor_type
        shape = tuple(dim.dim_param or dim.dim_value for dim in tensor.shape.dim)
        dtype = str(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
        specs.append(
            TensorSpec.model_validate({"name": value.name, "dtype": dtype, "shape": shape})
        )
    return tuple(specs)


@singledispatch
def export_spec(task: Task, recipe: Recipe) -> ExportSpec:
    """Describe the graphs, the served task and the metrics of a trained network.

    Raises:
        ExportError: when the service has no task that such a network could serve, or its graphs
            would not compute what the network does.
    """
    raise ExportError(
        f"a network of the task {recipe.task.kind} cannot be published: no task of the service "
        f"runs it. `evaluate` measures it and `plot` draws what it does (got {type(task).__name__})"
    )
