"""The child process that runs a graph for the first time: `python -m models_store.add.trial_child`.

A graph may crash onnxruntime or never end, so that nobody else should run it before. The request
comes on the standard input; the result goes to a file beside the golden cases.
"""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from models_store.add.sample_inputs import (
    fit_sample,
    inputs_of_other_sizes,
    made_inputs,
    read_sample,
    several_rows,
)
from models_store.add.trial import RESULT, OutputTensor, TrialRequest, TrialResult
from models_store.errors import AddError, StoreError
from models_store.manifest import TensorSpec
from models_store.onnx.errors import clean_message
from models_store.onnx.runtime import ORT_DTYPES, load_graph_fn
from models_store.verify import GoldenCase, GraphFn, TensorMap, write_golden

_RUNS = 5
_TIMED_S = 1.0


def main() -> None:
    """Try the graph of the request, and write the result."""
    request = TrialRequest.model_validate_json(sys.stdin.read())
    try:
        result = _try_graph(request)
    except StoreError as error:
        result = TrialResult(error=str(error))
    (request.golden.parent / RESULT).write_text(result.model_dump_json(), encoding="utf-8")


def _try_graph(request: TrialRequest) -> TrialResult:
    run = load_graph_fn(request.model)
    inputs, outputs = _find_inputs(run, request)
    if not _are_close(run(inputs), outputs):
        raise AddError("two runs on the same inputs differ, so no golden case can verify the graph")
    independent = request.has_batch_axis and _are_rows_independent(run, inputs)
    cases = [GoldenCase(inputs, outputs)]
    if independent and len(next(iter(inputs.values()))) > 1:
        first = {name: array[:1] for name, array in inputs.items()}
        cases.append(GoldenCase(first, run(first)))
    write_golden(request.golden, {"model": cases})
    single = {name: array[:1] for name, array in inputs.items()} if independent else inputs
    return TrialResult(
        outputs=_describe_outputs(request.model, outputs),
        cases=len(cases),
        rows_are_independent=independent,
        only_size=None if request.sample else _find_only_size(run, request.inputs, inputs),
        milliseconds=_measure_ms(run, single),
    )


def _find_inputs(run: GraphFn, request: TrialRequest) -> tuple[TensorMap, TensorMap]:
    """Return inputs that the graph computes, and its outputs."""
    if request.sample is not None:
        inputs = fit_sample(read_sample(request.sample), request.inputs)
        try:
            outputs = run(inputs)
        except Exception as error:  # onnxruntime has no public exception base
            raise AddError(f"the graph fails on the sample: {clean_message(error)}") from error
        _check_outputs(outputs)
        return inputs, outputs
    problem = ""
    for inputs in made_inputs(request.inputs):
        try:
            outputs = run(inputs)
            _check_outputs(outputs)
        except Exception as error:  # noqa: BLE001  # onnxruntime has no public exception base
            problem = problem or clean_message(error)
        else:
            return inputs, outputs
    raise AddError(
        "the graph fails on inputs generated from its shapes; give --sample inputs.npz with "
        f"an array for each input ({problem})"
    )


def _find_only_size(run: GraphFn, specs: Sequence[TensorSpec], inputs: TensorMap) -> int | None:
    """Return the size of the free dimensions of `inputs` if the graph fails with every other.

    Exporters that trace a network may declare a dimension free that its operators fix.
    """
    sizes = {
        int(size)
        for spec in specs
        for size, declared in zip(inputs[spec.name].shape[1:], spec.shape[1:], strict=True)
        if isinstance(declared, str)
    }
    if not sizes:
        return None
    (size,) = sizes
    rows = max(array.shape[0] for array in inputs.values() if array.ndim)
    for resized in inputs_of_other_sizes(specs, rows, size):
        try:
            run(resized)
        except Exception:  # noqa: BLE001, S112  # onnxruntime has no public exception base
            continue
        return None
    return size


def _check_outputs(outputs: TensorMap) -> None:
    for name, array in outputs.items():
        if not isinstance(array, np.ndarray):
            raise AddError(
                f"the output {name} is a {type(array).__name__}; only tensors are served"
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise AddError(f"the output {name} is NaN or infinite for these inputs")


def _are_rows_independent(run: GraphFn, inputs: TensorMap) -> bool:
    """Return True if each row of every output depends on the same row of the inputs alone."""
    inputs = several_rows(inputs)
    rows = len(next(iter(inputs.values())))
    try:
        outputs = run(inputs)
        if not all(array.ndim and len(array) == rows for array in outputs.values()):
            return False
        return all(
            _are_close(
                run({name: array[row : row + 1] for name, array in inputs.items()}),
                {name: array[row : row + 1] for name, array in outputs.items()},
            )
            for row in range(rows)
        )
    except Exception:  # noqa: BLE001  # it fails for several rows
        return False


def _are_close(first: TensorMap, second: TensorMap) -> bool:
    return all(_is_close(first[name], second[name]) for name in first)


def _is_close(first: NDArray[np.generic], second: NDArray[np.generic]) -> bool:
    if first.shape != second.shape:
        return False
    if first.dtype.kind != "f":
        return bool(np.array_equal(first, second))
    low = first.dtype == np.float16
    scale = float(np.abs(second.astype(np.float64)).max(initial=0.0))
    return np.allclose(first, second, rtol=1e-3, atol=(1e-2 if low else 1e-4) * scale)


def _describe_outputs(model: Path, outputs: TensorMap) -> tuple[OutputTensor, ...]:
    session = ort.InferenceSession(model.read_bytes(), providers=["CPUExecutionProvider"])
    return tuple(
        OutputTensor(
            name=node.name,
            dtype=ORT_DTYPES[node.type],
            shape=outputs[node.name].shape,
            inferred=tuple(size if isinstance(size, int) else None for size in node.shape),
        )
        for node in session.get_outputs()
    )


def _measure_ms(run: Callable[[TensorMap], object], inputs: TensorMap) -> float:
    """Return the milliseconds of the fastest of a few runs."""
    fastest, start = float("inf"), time.perf_counter()
    for _ in range(_RUNS):
        begin = time.perf_counter()
        run(inputs)
        fastest = min(fastest, time.perf_counter() - begin)
        if time.perf_counter() - start > _TIMED_S:
            break
    return 1000 * fastest


if __name__ == "__main__":
    main()
