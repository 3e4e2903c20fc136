"""Measure whether a graph computes more rows per second in batches."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models_store.batching import DEFAULT_WAIT_MS, Batching, BatchMeasurement
from models_store.hardware import describe_cpu
from models_store.manifest import Manifest
from models_store.onnx.runtime import load_graph_fn
from models_store.verify import GraphFn, TensorMap, read_golden_cases

MIN_SPEEDUP = 1.3
"""Requests are batched only if a batch computes this many times the rows of single runs. Below it,
the gain does not pay for waiting for the other requests of a batch."""

_SIZES = (1, 2, 4, 8, 16, 32, 64)
_NEAR_BEST = 0.95
"""The smallest batch that reaches this share of the best rate is chosen: it waits the least."""
_SIZE_TO_CONVINCE = 8
"""A graph that gains too little up to this size is not measured further."""
_SECONDS_PER_SIZE = 0.05
_MIN_RUNS = 5
_MAX_RUN_S = 0.25
"""Larger batches are not measured: a request would wait too long for its batch."""


def measure_version(folder: Path, manifest: Manifest) -> dict[str, Batching]:
    """Measure every graph of a version whose batch axis is free, on its first golden case.

    Returns:
        The limits of each of these graphs, by the name of its file.
    """
    golden = folder / manifest.get_file("golden").path
    return {
        graph.path: measure_batching(
            load_graph_fn(folder / graph.path),
            next(iter(read_golden_cases(golden, graph, 1))).inputs,
        )
        for graph in manifest.files
        if graph.is_batchable
    }


def measure_batching(run: GraphFn, inputs: TensorMap) -> Batching:
    """Measure `run` on batches of the rows of `inputs`, and choose limits."""
    measured: list[BatchMeasurement] = []
    for size in _SIZES:
        run_s = _fastest_run_s(run, repeat_rows(inputs, size))
        measured.append(
            BatchMeasurement(
                size=size, runs_per_s=round(1 / run_s, 1), rows_per_s=round(size / run_s, 1)
            )
        )
        best = max(measurement.rows_per_s for measurement in measured)
        shows_no_gain = size >= _SIZE_TO_CONVINCE and best < MIN_SPEEDUP * measured[0].rows_per_s
        if shows_no_gain or run_s > _MAX_RUN_S:
            break
    return choose_batching(measured)


def choose_batching(measured: Sequence[BatchMeasurement]) -> Batching:
    """Return the limits that follow from a measurement, which starts with single rows.

    A request waits for others for no longer than their common run takes, or 2 ms.
    """
    best = max(measurement.rows_per_s for measurement in measured)
    chosen = measured[0]
    if best >= MIN_SPEEDUP * measured[0].rows_per_s:
        chosen = next(
            measurement for measurement in measured if measurement.rows_per_s >= _NEAR_BEST * best
        )
    wait_ms = max(DEFAULT_WAIT_MS, round(1000 / chosen.runs_per_s, 1)) if chosen.size > 1 else 0.0
    return Batching(
        max_batch_size=chosen.size,
        max_wait_ms=wait_ms,
        measured=tuple(measured),
        hardware=describe_cpu(),
    )


def repeat_rows(inputs: TensorMap, rows: int) -> dict[str, NDArray[np.generic]]:
    """Return `rows` rows of each input, repeating those there are."""
    return {name: array[np.arange(rows) % len(array)] for name, array in inputs.items()}


def _fastest_run_s(run: GraphFn, inputs: TensorMap) -> float:
    """Return the seconds of the fastest run: other programs only ever make one slower."""
    run(inputs)  # the first run of a shape plans its memory
    fastest_s, runs, start = float("inf"), 0, time.perf_counter()
    while runs < _MIN_RUNS or time.perf_counter() - start < _SECONDS_PER_SIZE:
        begin = time.perf_counter()
        run(inputs)
        fastest_s = min(fastest_s, time.perf_counter() - begin)
        runs += 1
        if fastest_s > _MAX_RUN_S:
            break
    return fastest_s
