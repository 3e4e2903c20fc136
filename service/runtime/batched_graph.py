"""A graph whose rows may run together with those of other requests.

Each request's work runs in a greenlet (`scheduling/dynamic_batching.py`). `BatchedGraph.run`
suspends it until the thread that runs the greenlets has a batch; handlers notice nothing. Outside
of such a greenlet, rows run at once.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from greenlet import getcurrent, greenlet
from numpy.typing import NDArray

from models_store.onnx.batching import repeat_rows
from service.errors import DeadlineExceeded
from service.observability.timing import stage

_log = logging.getLogger(__name__)

_TESTED_SIZES = (2, 3, 4, 5, 7, 8, 13, 16, 24, 31, 32, 48, 63, 64)
"""Matrix kernels process powers of two rows at a time, and the remainder by other code."""

_MAX_ROWS = 8
"""Golden rows that are compared."""

Tensors = Mapping[str, NDArray[np.generic]]
Outputs = dict[str, NDArray[np.generic]]


class RowsError(RuntimeError):
    """The rows of an output are not one for each row of the inputs, or differ in shape."""


class _Graph(Protocol):
    def run(self, inputs: Tensors) -> Outputs: ...


class RequestGreenlet(greenlet):  # type: ignore[misc]  # greenlet has no annotations
    """The work of one request, which may be suspended until a batch with its rows has run."""


@dataclass(frozen=True)
class BatchRequest:
    """Rows that a suspended request wants to be run."""

    graph: "BatchedGraph"
    inputs: Tensors

    @property
    def rows(self) -> int:
        return _count_rows(self.inputs)

    @property
    def key(self) -> object:
        """Return what is equal for requests that can run together."""
        shapes = ((name, x.shape[1:], x.dtype.str) for name, x in sorted(self.inputs.items()))
        return id(self.graph), *shapes


class BatchedGraph:
    """A graph with limits of dynamic batching. Safe to call from any thread."""

    def __init__(
        self, graph: _Graph, *, model: str, batch_sizes: Sequence[int], max_wait_s: float
    ) -> None:
        """`batch_sizes` are those that a run may have, ascending; others are padded to them."""
        self._graph = graph
        self._batch_sizes = tuple(batch_sizes)
        self.model = model
        self.max_batch_size = self._batch_sizes[-1]
        self.max_wait_s = max_wait_s

    def run(self, inputs: Tensors) -> Outputs:
        """Return all outputs by name, for any number of rows."""
        rows, size = _count_rows(inputs), self.max_batch_size
        if rows > size:
            parts = [_slice_rows(inputs, start, start + size) for start in range(0, rows, size)]
            return concatenate_rows([self.run(part) for part in parts])
        current = getcurrent()
        if rows == size or not isinstance(current, RequestGreenlet):
            return self._run_padded(inputs)
        with stage("run"):
            outputs: Outputs = current.parent.switch(BatchRequest(self, inputs))
        return outputs

    def run_batch(self, requests: Sequence[Tensors]) -> list[Outputs | Exception]:
        """Run the rows of all `requests` together; return the outputs or the error of each.

        If the batch fails, each request runs alone, so that only the one at fault gets an error;
        but not if it reached the run limit, after which all of them are late.
        """
        if len(requests) > 1:
            try:
                return list(self._run_together(requests))
            except DeadlineExceeded as error:
                return [error for _ in requests]
            except Exception as error:  # noqa: BLE001  # each runs alone below, which shows whose error it is
                fields = {"model": self.model, "requests": len(requests), "error": repr(error)}
                _log.info("batch failed, running its requests alone", extra={"fields": fields})
        return [self._run_alone(inputs) for inputs in requests]

    def _run_together(self, requests: Sequence[Tensors]) -> list[Outputs]:
        outputs = self._run_padded(concatenate_rows(requests))
        ends = np.cumsum([_count_rows(inputs) for inputs in requests]).tolist()
        return [
            _slice_rows(outputs, start, end)
            for start, end in zip([0, *ends[:-1]], ends, strict=True)
        ]

    def _run_alone(self, inputs: Tensors) -> Outputs | Exception:
        try:
            return self._run_padded(inputs)
        except Exception as error:  # noqa: BLE001  # raised by the request that it belongs to
            return error

    def _run_padded(self, inputs: Tensors) -> Outputs:
        rows = _count_rows(inputs)
        size = next(size for size in self._batch_sizes if size >= rows)
        if size == rows:
            return run_checking_rows(self._graph, inputs)
        return _slice_rows(run_checking_rows(self._graph, repeat_rows(inputs, size)), 0, rows)


def rows_per_run(graph: object) -> int:
    """Return how many rows of one request to run together."""
    return graph.max_batch_size if isinstance(graph, BatchedGraph) else 1


def find_batch_sizes(
    graph: _Graph, cases: Sequence[Tensors], max_batch_size: int
) -> tuple[int, ...]:
    """Return the batch sizes up to `max_batch_size` with which a row's outputs are always the same.

    All sizes if every row has the bits that it has alone. Otherwise those whose rows have the bits
    that they have in the largest batch, at every position; other runs are padded to them. Empty if
    rows depend on each other or on their position, or if `cases` have fewer than two rows.

    A matrix product may choose the order of its additions by the number of rows, which depends on
    the processor and the version of onnxruntime, so it is measured where the graph runs.
    """
    inputs = concatenate_rows([case for case in cases if _shapes(case) == _shapes(cases[0])])
    rows = [_slice_rows(inputs, row, row + 1) for row in range(min(_count_rows(inputs), _MAX_ROWS))]
    if len(rows) < 2:  # a single row, repeated, cannot show a dependence
        return ()
    try:
        return _find_equal_sizes(graph, rows, max_batch_size)
    except Exception:  # noqa: BLE001  # a graph of another kind than its shapes say
        return ()


def _find_equal_sizes(
    graph: _Graph, rows: Sequence[Tensors], max_batch_size: int
) -> tuple[int, ...]:
    inputs = concatenate_rows(rows)
    sizes = sorted({*(size for size in _TESTED_SIZES if size < max_batch_size), max_batch_size})
    outputs = {size: run_checking_rows(graph, repeat_rows(inputs, size)) for size in sizes}
    alone = [run_checking_rows(graph, row) for row in rows]
    if all(_rows_equal(outputs[size], alone, size) for size in sizes):
        return tuple(range(1, max_batch_size + 1))
    # Beside copies of itself, and beside others, a row must give the same.
    in_largest = [run_checking_rows(graph, repeat_rows(row, max_batch_size)) for row in rows]
    if not all(_rows_equal(same, [same], max_batch_size) for same in in_largest):
        return ()
    equal = tuple(size for size in sizes if _rows_equal(outputs[size], in_largest, size))
    return equal if max_batch_size in equal else ()


def run_checking_rows(graph: _Graph, inputs: Tensors) -> Outputs:
    """Run `graph`. Raises RowsError: an output has another number of rows than the inputs."""
    outputs, rows = graph.run(inputs), _count_rows(inputs)
    if any(len(output) != rows for output in outputs.values()):
        raise RowsError(f"a run of {rows} rows gave another number of outputs")
    return outputs


def _rows_equal(batch: Tensors, references: Sequence[Tensors], size: int) -> bool:
    """Return whether row i of `batch` equals the first row of reference i, modulo their number."""
    expected = repeat_rows(concatenate_rows([_slice_rows(each, 0, 1) for each in references]), size)
    return all(np.array_equal(output, expected[name]) for name, output in batch.items())


def _count_rows(tensors: Tensors) -> int:
    return len(next(iter(tensors.values())))


def _shapes(tensors: Tensors) -> list[tuple[int, ...]]:
    return [tensor.shape[1:] for tensor in tensors.values()]


def _slice_rows(tensors: Tensors, start: int, stop: int) -> Outputs:
    return {name: tensor[start:stop] for name, tensor in tensors.items()}


def concatenate_rows(parts: Sequence[Tensors]) -> Outputs:
    """Return the rows of all `parts`. Raises RowsError: rows of different parts differ in shape."""
    if any(
        part[name].shape[1:] != first.shape[1:]
        for name, first in parts[0].items()
        for part in parts
    ):
        raise RowsError("the shape of an output depends on the values of the inputs")
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
