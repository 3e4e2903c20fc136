"""Tensors in, tensors out: any graph of a published model, run on a client's inputs.

No input can make a graph fail or need more memory than a request of images or texts does: sizes and
values are checked, and rows run one by one.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from models_store.manifest import ModelFile
from models_store.tasks import AnySizeImage, Compression, Denoising, Task, TextGeneration
from service.codecs.tensors import Array
from service.errors import InvalidValue
from service.runtime.loaded_model import Graph, LoadedModel
from service.runtime.session import BadInputs

__all__ = ["InferLimits", "InferResult", "infer", "is_batchable"]


@dataclass(frozen=True)
class InferLimits:
    """Limits of one request."""

    max_rows: int
    """Examples, for a graph whose batch axis is its inputs' and outputs' first."""
    max_steps: int
    """Product of the free dimensions, such as texts × characters, for every other graph."""


@dataclass(frozen=True)
class InferResult:
    """All outputs of a graph."""

    outputs: Mapping[str, Array]
    batch_sizes: list[int]
    """Rows of each run of the graph."""


def infer(
    model: LoadedModel[Task],
    graph: ModelFile,
    inputs: Mapping[str, Array],
    limits: InferLimits,
    check: Callable[[], None],
) -> InferResult:
    """Run `graph` of `model`; `check` is called before each run.

    `inputs` have the data types and fixed dimensions that the graph takes.

    Raises:
        InvalidValue: an input is too large, or has a value that the graph does not take.
    """
    _check_sizes(model.task, graph, inputs, limits)
    _check_values(model.task, inputs)
    session = model.graphs[graph.role]
    if is_batchable(graph):
        return _run_rows(session, inputs, check)
    check()
    try:
        outputs = session.run(inputs)
    except BadInputs as error:  # an index out of range in a graph of an unknown kind, for example
        raise InvalidValue("the graph does not accept these values") from error
    return InferResult(outputs, [next(iter(_free_dimensions(graph, inputs).values()), 1)])


def is_batchable(graph: ModelFile) -> bool:
    """Return whether each row of every input is an example and gives a row of every output."""
    tensors = (*graph.inputs, *graph.outputs)
    first_dimensions = {tensor.shape[0] for tensor in tensors if tensor.shape}
    batch = next(iter(first_dimensions))
    return (
        len(first_dimensions) == 1
        and isinstance(batch, str)
        and not any(batch in tensor.shape[1:] for tensor in tensors)
    )


def _run_rows(
    session: Graph, inputs: Mapping[str, Array], check: Callable[[], None]
) -> InferResult:
    # One row a run, as for images: a batch makes these graphs hardly faster on a CPU, and this way
    # neither memory nor the time between two checks grows with it.
    row_outputs = []
    for row in range(len(next(iter(inputs.values())))):
        check()
        row_inputs = {
            name: np.ascontiguousarray(array[row : row + 1]) for name, array in inputs.items()
        }
        row_outputs.append(session.run(row_inputs))
    merged: dict[str, Array] = {
        name: np.concatenate([outputs[name] for outputs in row_outputs]) for name in row_outputs[0]
    }
    return InferResult(merged, [1] * len(row_outputs))


def _check_sizes(
    task: Task, graph: ModelFile, inputs: Mapping[str, Array], limits: InferLimits
) -> None:
    if not is_batchable(graph):
        steps = math.prod(_free_dimensions(graph, inputs).values())
        if steps > limits.max_steps:
            raise InvalidValue(
                f"the inputs have {steps} steps together; accepted are {limits.max_steps}"
            )
        return
    rows = len(next(iter(inputs.values())))
    if rows > limits.max_rows:
        raise InvalidValue(f"the batch has {rows} rows; accepted are {limits.max_rows}")
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
    """Accept one tile: its pixels, or one position of latents for each block of 8 × 8 pixels."""
    for name, array in inputs.items():
        if array.ndim != 4:
            continue
        height, width = (
            array.shape[1:3] if name == "images" else (8 * size for size in array.shape[2:])
        )
        if height * width > image.tile**2:
            raise InvalidValue(
                f"{name} are of {width} × {height} pixels; accepted are {image.tile**2}, such as "
                f"{image.tile} × {image.tile} (/v1/compress takes larger images)"
            )


def _free_dimensions(graph: ModelFile, inputs: Mapping[str, Array]) -> dict[str, int]:
    """Return the sizes of the named dimensions."""
    return {
        dimension: size
        for spec in graph.inputs
        for dimension, size in zip(spec.shape, inputs[spec.name].shape, strict=True)
        if isinstance(dimension, str)
    }


def _check_values(task: Task, inputs: Mapping[str, Array]) -> None:
    if isinstance(task, TextGeneration) and "tokens" in inputs:
        max_token = len(task.vocabulary) - 1
        tokens = inputs["tokens"]
        if int(tokens.min()) < 0 or int(tokens.max()) > max_token:
            raise InvalidValue(
                f"tokens are {tokens.min()} … {tokens.max()}; accepted are 0 … {max_token}"
            )
