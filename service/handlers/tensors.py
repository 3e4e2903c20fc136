"""Run any graph of a published model on a client's tensors.

Graphs of tasks with known inputs cannot fail or need more memory than a request of images or texts:
sizes and values are checked first, and rows run one by one. For a graph that was made elsewhere,
only the shapes are known: the body size limit bounds its inputs, and an error of the graph is
reported as the client's error.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from models_store.manifest import ModelFile
from models_store.onnx.errors import clean_message
from models_store.tasks import AnySizeImage, Compression, Denoising, Task, Tensors, TextGeneration
from service.codecs.tensors import Array
from service.errors import InvalidValue
from service.runtime.batched_graph import (
    RowsError,
    concatenate_rows,
    rows_per_run,
    run_checking_rows,
)
from service.runtime.loaded_model import Graph, LoadedModel
from service.runtime.session import BadInputs, RunError

_OUTPUT_BYTES_PER_BODY_BYTE = 4
"""A network that doubles both sides of an image returns four times its bytes."""


@dataclass(frozen=True)
class InferLimits:
    """Limits of one request."""

    max_rows: int
    """Largest number of examples, for a graph whose tensors have the batch axis first. A graph that
    was made elsewhere takes any number, in runs of as many as were measured to be fastest."""
    max_steps: int
    """Largest product of the free dimensions, such as texts × characters, for other graphs."""
    max_body_bytes: int
    """Largest request body."""

    @property
    def max_output_bytes(self) -> int:
        """Largest total size of the outputs, of one request for a graph that was made elsewhere."""
        return _OUTPUT_BYTES_PER_BODY_BYTE * self.max_body_bytes


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
    session = model.graphs[graph.role]
    if isinstance(model.task, Tensors):
        return _infer_external(model, session, graph, inputs, limits, check)
    _check_sizes(model.task, graph, inputs, limits)
    _check_values(model.task, inputs)
    try:
        return _run(session, graph, inputs, rows_per_run(session), limits, check)
    except BadInputs as error:  # an index out of range in a graph of an unknown kind, for example
        raise InvalidValue("the graph does not accept these values") from error


def _infer_external(
    model: LoadedModel[Task],
    session: Graph,
    graph: ModelFile,
    inputs: Mapping[str, Array],
    limits: InferLimits,
    check: Callable[[], None],
) -> InferResult:
    batching = model.manifest.batching.get(graph.path)
    run_size = batching.max_batch_size if batching else limits.max_rows
    texts = {spec.name for spec in graph.inputs if spec.dtype == "string"}
    graph_inputs = {
        name: _decode_text(name, array) if name in texts else array
        for name, array in inputs.items()
    }
    try:
        result = _run(session, graph, graph_inputs, run_size, limits, check)
    except (*RunError, RowsError) as error:  # incompatible sizes, or an index out of range
        raise InvalidValue(
            f"the graph does not accept these inputs: {clean_message(error)}"
        ) from error
    outputs = {name: _encode_text(array) for name, array in result.outputs.items()}
    return InferResult(outputs, result.batch_sizes)


def _decode_text(name: str, array: Array) -> Array:
    """Convert an array of `bytes`, as in the protocol, to one of `str`."""
    try:
        texts = [element.decode() for element in array.ravel().tolist()]
    except UnicodeDecodeError:
        raise InvalidValue(f"{name} holds bytes that are not UTF-8") from None
    return np.array(texts, object).reshape(array.shape)


def _encode_text(array: Array) -> Array:
    if array.dtype.kind != "O":
        return array
    return np.array([text.encode() for text in array.ravel().tolist()], object).reshape(array.shape)


def _count_bytes(outputs: Mapping[str, Array], max_bytes: int, counted: int = 0) -> int:
    """Return `counted` and the bytes of `outputs`. Raises InvalidValue: more than `max_bytes`."""
    counted += sum(array.nbytes for array in outputs.values())
    if counted > max_bytes:
        raise InvalidValue(
            f"the outputs have {counted} bytes or more; a response has up to {max_bytes}: send "
            "fewer or smaller inputs"
        )
    return counted


def _run(
    session: Graph,
    graph: ModelFile,
    inputs: Mapping[str, Array],
    run_size: int,
    limits: InferLimits,
    check: Callable[[], None],
) -> InferResult:
    """Run the graph, in runs of `run_size` rows if its rows are independent."""
    if not graph.is_batchable:
        check()
        outputs = session.run(inputs)
        _count_bytes(outputs, limits.max_output_bytes)
        return InferResult(outputs, [next(iter(_free_dimensions(graph, inputs).values()), 1)])
    # One row per run where batches gain nothing, so that neither memory nor the time between two
    # checks grows with the number of rows.
    run_outputs, batch_sizes, size = [], [], 0
    rows = len(next(iter(inputs.values())))
    for start in range(0, rows, run_size):
        check()
        stop = min(start + run_size, rows)
        run_inputs = {
            name: np.ascontiguousarray(array[start:stop]) for name, array in inputs.items()
        }
        run_outputs.append(run_checking_rows(session, run_inputs))
        size = _count_bytes(run_outputs[-1], limits.max_output_bytes, size)
        batch_sizes.append(stop - start)
    return InferResult(concatenate_rows(run_outputs), batch_sizes)


def _check_sizes(
    task: Task, graph: ModelFile, inputs: Mapping[str, Array], limits: InferLimits
) -> None:
    if not graph.is_batchable:
        steps = math.prod(_free_dimensions(graph, inputs).values())
        if steps > limits.max_steps:
            raise InvalidValue(
                f"the inputs have {steps} steps in total; the limit is {limits.max_steps}"
            )
        return
    rows = len(next(iter(inputs.values())))
    if rows > limits.max_rows:
        raise InvalidValue(f"the batch has {rows} rows; the limit is {limits.max_rows}")
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
                f"images are {width} × {height}; the limit is {image.tile**2} pixels, such as "
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
                f"{name} have {width} × {height} pixels; the limit is {image.tile**2}, such as "
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
                f"tokens are {tokens.min()} to {tokens.max()}; they must be 0 to {max_token}"
            )
