"""Tensors in, tensors out: any graph on the shelf, run on what a client sends.

Nothing reaches a graph that could make it fail or need more memory than a request of pictures or
texts does: datatypes, shapes, named dimensions and values are checked, and rows run one by one.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from models_store.manifest import ModelFile
from models_store.tasks import AnySizeImage, Classification, Compression, Denoising, TextGeneration
from service.codecs.tensors import DATATYPES, Array
from service.errors import InvalidValue
from service.handlers.v2_models import InferTarget
from service.handlers.v2_protocol import ParsedRequest, TensorRequirement
from service.runtime.session import BadInputs
from service.schemas.v2 import RequestedOutput

__all__ = ["InferLimits", "infer"]


@dataclass(frozen=True)
class InferLimits:
    """How much one request may ask a graph."""

    max_rows: int
    """Examples, of a graph that takes examples as rows."""
    max_steps: int
    """Product of the free dimensions, of one that does not, such as texts × characters."""


@dataclass(frozen=True)
class InferResult:
    """Outputs, and what they took."""

    outputs: Mapping[str, Array]
    batch_sizes: list[int]
    """Rows of each run of the graph."""
    input_ns: int
    infer_ns: int


def infer(
    target: InferTarget, parsed: ParsedRequest, limits: InferLimits, check: Callable[[], None]
) -> InferResult:
    """The outputs that are asked for; `check` is called before each run.

    Raises:
        Invalid: an input is not what the graph takes, or an output is none that it has.
    """
    if target.graph is None:
        raise RuntimeError(f"{target.name} is no graph")
    start_ns = time.perf_counter_ns()
    requested = _requested_outputs(target.graph, parsed)
    inputs = parsed.decode_inputs(_tensor_requirements(target.graph))
    _check_sizes(target, inputs, limits)
    _check_values(target, inputs)
    validated_ns = time.perf_counter_ns()
    outputs, runs = _run(target, inputs, check)
    end_ns = time.perf_counter_ns()
    selected = {
        output.name: _apply_classification(target, output, outputs[output.name])
        for output in requested
    }
    return InferResult(selected, runs, validated_ns - start_ns, end_ns - validated_ns)


def _requested_outputs(graph: ModelFile, parsed: ParsedRequest) -> list[RequestedOutput]:
    available = [output.name for output in graph.outputs]
    requested = parsed.request.outputs or [RequestedOutput(name=name) for name in available]
    names = [item.name for item in requested]
    unknown = [name for name in names if name not in available]
    if unknown:
        raise InvalidValue(
            f"there is no output {unknown[0][:64]!r}; there are: {', '.join(available)}"
        )
    if len(set(names)) != len(names):
        raise InvalidValue("an output is asked for twice")
    return requested


def _tensor_requirements(graph: ModelFile) -> dict[str, TensorRequirement]:
    return {
        spec.name: TensorRequirement(DATATYPES[spec.dtype], spec.shape) for spec in graph.inputs
    }


def _check_sizes(target: InferTarget, inputs: Mapping[str, Array], limits: InferLimits) -> None:
    if not target.is_batchable:
        steps = math.prod(_free_dimensions(target, inputs).values())
        if steps > limits.max_steps:
            raise InvalidValue(
                f"the inputs have {steps} steps together; accepted are {limits.max_steps}"
            )
        return
    rows = len(next(iter(inputs.values())))
    if rows > limits.max_rows:
        raise InvalidValue(f"the batch has {rows} rows; accepted are {limits.max_rows}")
    task = target.model.task
    if isinstance(task, Compression) and isinstance(task.image, AnySizeImage):
        _check_codec_area(task.image, inputs)
    if isinstance(task, Denoising):
        height, width = inputs["images"].shape[1:3]
        image = task.image
        if height % image.multiple_of or width % image.multiple_of:
            raise InvalidValue(
                f"images are {width} × {height}; both must be multiples of {image.multiple_of}"
            )
        if height * width > image.tile**2:
            raise InvalidValue(
                f"images are {width} × {height}; accepted are {image.tile**2} pixels, such as "
                f"{image.tile} × {image.tile} (/v1/denoise takes larger ones)"
            )


def _check_codec_area(image: AnySizeImage, inputs: Mapping[str, Array]) -> None:
    """One tile of a codec of photographs: pixels, or a place for every block of 8 × 8."""
    for name, array in inputs.items():
        if array.ndim != 4:
            continue
        height, width = (
            array.shape[1:3] if name == "images" else (8 * size for size in array.shape[2:])
        )
        if height * width > image.tile**2:
            raise InvalidValue(
                f"{name} are of {width} × {height} pixels; accepted are {image.tile**2}, such as "
                f"{image.tile} × {image.tile} (/v1/compress takes larger pictures)"
            )


def _free_dimensions(target: InferTarget, inputs: Mapping[str, Array]) -> dict[str, int]:
    """Named dimension → its size."""
    specs = target.graph.inputs if target.graph else ()
    return {
        dimension: size
        for spec in specs
        for dimension, size in zip(spec.shape, inputs[spec.name].shape, strict=True)
        if isinstance(dimension, str)
    }


def _check_values(target: InferTarget, inputs: Mapping[str, Array]) -> None:
    if isinstance(target.model.task, TextGeneration) and "tokens" in inputs:
        max_token = len(target.model.task.vocabulary) - 1
        tokens = inputs["tokens"]
        if int(tokens.min()) < 0 or int(tokens.max()) > max_token:
            raise InvalidValue(
                f"tokens are {tokens.min()} … {tokens.max()}; accepted are 0 … {max_token}"
            )


def _run(
    target: InferTarget, inputs: Mapping[str, Array], check: Callable[[], None]
) -> tuple[dict[str, Array], list[int]]:
    session = target.session
    if not target.is_batchable:
        check()
        try:
            outputs = session.run(inputs)
        except BadInputs as error:  # such as an index that is none, of a graph of another kind
            raise InvalidValue("the graph does not accept these values") from error
        return outputs, [next(iter(_free_dimensions(target, inputs).values()), 1)]
    # One row a run, as for pictures: a batch makes these graphs hardly faster on a CPU, and this
    # way neither memory nor the time between two checks grows with it.
    rows = len(next(iter(inputs.values())))
    row_outputs = []
    for row in range(rows):
        check()
        row_inputs = {
            name: np.ascontiguousarray(array[row : row + 1]) for name, array in inputs.items()
        }
        row_outputs.append(session.run(row_inputs))
    merged: dict[str, Array] = {
        name: np.concatenate([row_output[name] for row_output in row_outputs])
        for name in row_outputs[0]
    }
    return merged, [1] * rows


def _apply_classification(target: InferTarget, requested: RequestedOutput, output: Array) -> Array:
    """The best k as BYTES `value:index:label`, where that is asked for (Triton's extension)."""
    count = requested.parameters.get("classification")
    if count is None:
        return output
    if type(count) is not int or count < 1:
        raise InvalidValue(f"{requested.name}: classification is not a whole number of at least 1")
    task = target.model.task
    if not isinstance(task, Classification) or requested.name != "probabilities":
        raise InvalidValue(
            f"{requested.name}: only probabilities of a classifier can be told as labels"
        )
    top_indices = np.argsort(-output.astype(np.float64), axis=1, kind="stable")[:, :count]
    labels = np.empty(top_indices.shape, object)
    for (row, rank), index in np.ndenumerate(top_indices):
        labels[row, rank] = f"{output[row, index]:f}:{index}:{task.labels[index]}".encode()
    return labels
