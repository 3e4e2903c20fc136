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
from models_store.tasks import Classification, Compression, Denoising, FreeImage, TextGeneration
from service.codecs.tensors import DATATYPES, Array
from service.errors import Invalid
from service.handlers.v2_models import Found
from service.handlers.v2_protocol import Asked, Expected
from service.runtime.session import BadInputs
from service.schemas.v2 import WantedOutput

__all__ = ["Limits", "infer"]


@dataclass(frozen=True)
class Limits:
    """How much one request may ask a graph."""

    rows: int
    """Examples, of a graph that takes examples as rows."""
    steps: int
    """Product of the free dimensions, of one that does not, such as texts × characters."""


@dataclass(frozen=True)
class Computed:
    """Outputs, and what they took."""

    outputs: Mapping[str, Array]
    runs: list[int]
    """Rows of each run of the graph."""
    input_ns: int
    infer_ns: int


def infer(found: Found, asked: Asked, limits: Limits, check: Callable[[], None]) -> Computed:
    """The outputs that are asked for; `check` is called before each run.

    Raises:
        Invalid: an input is not what the graph takes, or an output is none that it has.
    """
    if found.graph is None:
        raise RuntimeError(f"{found.name} is no graph")
    began = time.perf_counter_ns()
    wanted = _wanted(found.graph, asked)
    inputs = asked.tensors(_expected(found.graph))
    _check_sizes(found, inputs, limits)
    _check_values(found, inputs)
    ready = time.perf_counter_ns()
    outputs, runs = _run(found, inputs, check)
    done = time.perf_counter_ns()
    chosen = {want.name: _classified(found, want, outputs[want.name]) for want in wanted}
    return Computed(chosen, runs, ready - began, done - ready)


def _wanted(graph: ModelFile, asked: Asked) -> list[WantedOutput]:
    there = [output.name for output in graph.outputs]
    wanted = asked.question.outputs or [WantedOutput(name=name) for name in there]
    names = [want.name for want in wanted]
    unknown = [name for name in names if name not in there]
    if unknown:
        raise Invalid(f"there is no output {unknown[0][:64]!r}; there are: {', '.join(there)}")
    if len(set(names)) != len(names):
        raise Invalid("an output is asked for twice")
    return wanted


def _expected(graph: ModelFile) -> dict[str, Expected]:
    return {spec.name: Expected(DATATYPES[spec.dtype], spec.shape) for spec in graph.inputs}


def _check_sizes(found: Found, inputs: Mapping[str, Array], limits: Limits) -> None:
    if not found.by_rows:
        steps = math.prod(_free(found, inputs).values())
        if steps > limits.steps:
            raise Invalid(f"the inputs have {steps} steps together; accepted are {limits.steps}")
        return
    rows = len(next(iter(inputs.values())))
    if rows > limits.rows:
        raise Invalid(f"the batch has {rows} rows; accepted are {limits.rows}")
    task = found.model.task
    if isinstance(task, Compression) and isinstance(task.image, FreeImage):
        _check_blocks(task.image, inputs)
    if isinstance(task, Denoising):
        height, width = inputs["images"].shape[1:3]
        image = task.image
        if height % image.multiple_of or width % image.multiple_of:
            raise Invalid(
                f"images are {width} × {height}; both must be multiples of {image.multiple_of}"
            )
        if height * width > image.tile**2:
            raise Invalid(
                f"images are {width} × {height}; accepted are {image.tile**2} pixels, such as "
                f"{image.tile} × {image.tile} (/v1/denoise takes larger ones)"
            )


def _check_blocks(image: FreeImage, inputs: Mapping[str, Array]) -> None:
    """One tile of a codec of photographs: pixels, or a place for every block of 8 × 8."""
    for name, array in inputs.items():
        if array.ndim != 4:
            continue
        height, width = (
            array.shape[1:3] if name == "images" else (8 * size for size in array.shape[2:])
        )
        if height * width > image.tile**2:
            raise Invalid(
                f"{name} are of {width} × {height} pixels; accepted are {image.tile**2}, such as "
                f"{image.tile} × {image.tile} (/v1/compress takes larger pictures)"
            )


def _free(found: Found, inputs: Mapping[str, Array]) -> dict[str, int]:
    """Named dimension → its size."""
    specs = found.graph.inputs if found.graph else ()
    return {
        named: size
        for spec in specs
        for named, size in zip(spec.shape, inputs[spec.name].shape, strict=True)
        if isinstance(named, str)
    }


def _check_values(found: Found, inputs: Mapping[str, Array]) -> None:
    if isinstance(found.model.task, TextGeneration) and "tokens" in inputs:
        most = len(found.model.task.vocabulary) - 1
        tokens = inputs["tokens"]
        if int(tokens.min()) < 0 or int(tokens.max()) > most:
            raise Invalid(f"tokens are {tokens.min()} … {tokens.max()}; accepted are 0 … {most}")


def _run(
    found: Found, inputs: Mapping[str, Array], check: Callable[[], None]
) -> tuple[dict[str, Array], list[int]]:
    session = found.session
    if not found.by_rows:
        check()
        try:
            outputs = session.run(inputs)
        except BadInputs as error:  # such as an index that is none, of a graph of another kind
            raise Invalid("the graph does not accept these values") from error
        return outputs, [next(iter(_free(found, inputs).values()), 1)]
    # One row a run, as for pictures: a batch makes these graphs hardly faster on a CPU, and this
    # way neither memory nor the time between two checks grows with it.
    rows = len(next(iter(inputs.values())))
    answers = []
    for row in range(rows):
        check()
        one = {name: np.ascontiguousarray(array[row : row + 1]) for name, array in inputs.items()}
        answers.append(session.run(one))
    joined: dict[str, Array] = {
        name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]
    }
    return joined, [1] * rows


def _classified(found: Found, want: WantedOutput, output: Array) -> Array:
    """The best k as BYTES `value:index:label`, where that is asked for (Triton's extension)."""
    count = want.parameters.get("classification")
    if count is None:
        return output
    if type(count) is not int or count < 1:
        raise Invalid(f"{want.name}: classification is not a whole number of at least 1")
    task = found.model.task
    if not isinstance(task, Classification) or want.name != "probabilities":
        raise Invalid(f"{want.name}: only probabilities of a classifier can be told as labels")
    best = np.argsort(-output.astype(np.float64), axis=1, kind="stable")[:, :count]
    texts = np.empty(best.shape, object)
    for (row, rank), index in np.ndenumerate(best):
        texts[row, rank] = f"{output[row, index]:f}:{index}:{task.labels[index]}".encode()
    return texts
