"""Batch sizes whose rows do not depend on each other, and runs of them outside of requests."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from service.errors import DeadlineExceeded
from service.runtime.batched_graph import BatchedGraph, RowsError, find_batch_sizes, rows_per_run

Tensors = Mapping[str, NDArray[np.generic]]

CASES = [{"x": np.array([[1.0], [2.0]])}, {"x": np.array([[4.0], [8.0], [16.0]])}]


@dataclass
class AddOne:
    """y = x + 1; notes the rows of each run and fails for negative numbers."""

    sizes: list[int] = field(default_factory=list)

    def run(self, inputs: Tensors) -> dict[str, NDArray[np.generic]]:
        x = inputs["x"].astype(np.float64)
        self.sizes.append(len(x))
        if (x < 0).any():
            raise ValueError("negative")
        return {"y": self.compute(x)}

    def compute(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return x + 1


class OtherBitsBelowFour(AddOne):
    """As a matrix kernel that adds in another order where there are few rows."""

    def compute(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return x + (1 + 1e-9 * (len(x) < 4))


class MeanSubtracted(AddOne):
    """Rows depend on each other, as with batch normalisation in training mode."""

    def compute(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return x - float(x.mean())


class OtherBitsInTheLastRow(AddOne):
    def compute(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        last = np.arange(len(x)) == len(x) - 1
        return x + np.where(last & (len(x) > 1), 1 + 1e-9, 1.0)[:, None]


class OneRowTooFew(AddOne):
    def compute(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return x[1:]


@pytest.mark.parametrize(
    ("graph", "sizes"),
    [
        (AddOne(), tuple(range(1, 17))),
        (OtherBitsBelowFour(), (4, 5, 7, 8, 13, 16)),
        (MeanSubtracted(), ()),
        (OtherBitsInTheLastRow(), ()),
        (OneRowTooFew(), ()),
    ],
)
def test_only_sizes_that_leave_a_rows_outputs_unchanged_are_used(
    graph: AddOne, sizes: tuple[int, ...]
) -> None:
    assert find_batch_sizes(graph, CASES, 16) == sizes


def test_a_single_golden_row_proves_nothing() -> None:
    assert find_batch_sizes(AddOne(), [{"x": np.array([[1.0]])}], 16) == ()


def test_runs_are_padded_to_the_next_size_that_is_used() -> None:
    graph = AddOne()
    batched = BatchedGraph(graph, model="m", batch_sizes=(4, 8), max_wait_s=1.0)
    outputs = batched.run({"x": np.array([[1.0], [2.0], [3.0]])})
    assert outputs["y"].tolist() == [[2.0], [3.0], [4.0]]
    assert graph.sizes == [4]


def test_rows_beyond_the_largest_batch_run_in_several() -> None:
    graph = AddOne()
    batched = BatchedGraph(graph, model="m", batch_sizes=range(1, 5), max_wait_s=1.0)
    outputs = batched.run({"x": np.arange(10.0)[:, None]})
    assert outputs["y"][:, 0].tolist() == list(np.arange(1.0, 11.0))
    assert graph.sizes == [4, 4, 2]
    assert (rows_per_run(batched), rows_per_run(graph)) == (4, 1)


def test_a_failing_batch_runs_again_one_by_one_and_one_request_fails() -> None:
    graph = AddOne()
    batched = BatchedGraph(graph, model="m", batch_sizes=range(1, 9), max_wait_s=1.0)
    requests = [{"x": np.array([[value]])} for value in (1.0, -1.0, 3.0)]
    first, second, third = batched.run_batch(requests)
    assert isinstance(second, ValueError)
    assert not isinstance(first, Exception)
    assert not isinstance(third, Exception)
    assert (first["y"].item(), third["y"].item()) == (2.0, 4.0)
    assert graph.sizes == [3, 1, 1, 1]


class TooSlow(AddOne):
    def run(self, inputs: Tensors) -> dict[str, NDArray[np.generic]]:
        super().run(inputs)
        raise DeadlineExceeded("the run of the graph took longer than 60 s")


def test_a_batch_that_reached_the_run_limit_is_not_run_again() -> None:
    graph = TooSlow()
    batched = BatchedGraph(graph, model="m", batch_sizes=range(1, 9), max_wait_s=1.0)
    results = batched.run_batch([{"x": np.array([[value]])} for value in (1.0, 2.0)])
    assert [type(result) for result in results] == [DeadlineExceeded, DeadlineExceeded]
    assert graph.sizes == [2]


def test_a_run_with_fewer_outputs_than_rows_is_an_error() -> None:
    batched = BatchedGraph(OneRowTooFew(), model="m", batch_sizes=(1, 2), max_wait_s=1.0)
    with pytest.raises(RowsError, match="another number of outputs"):
        batched.run(CASES[0])
