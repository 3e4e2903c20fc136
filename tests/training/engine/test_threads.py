from typing import Any

import pytest
import torch

from tests.training.tiny import recipe
from training.engine import threads
from training.engine.threads import (
    candidate_thread_counts,
    fastest_thread_count,
    tune_thread_count,
)
from training.engine.trainer import prepare


@pytest.mark.parametrize(
    ("available", "counts"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])]
)
def test_candidates_are_powers_of_two_and_all_cores(available: int, counts: list[int]) -> None:
    assert candidate_thread_counts(available) == counts


@pytest.mark.parametrize(
    ("rates", "fastest"),
    [
        ({1: 10.0, 2: 10.5}, 1),  # not worth a second thread
        ({1: 10.0, 2: 18.0, 4: 19.0}, 2),
        ({1: 10.0, 2: 9.0, 4: 12.0}, 4),
    ],
)
def test_more_threads_are_chosen_only_for_a_tenth_more_speed(
    rates: dict[int, float], fastest: int
) -> None:
    assert fastest_thread_count(rates) == fastest


@pytest.fixture
def _restored_threads() -> Any:
    count = torch.get_num_threads()
    yield
    torch.set_num_threads(count)


@pytest.mark.usefixtures("_restored_threads")
def test_tuning_leaves_task_and_random_state_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "_SECONDS_PER_COUNT", 0.0)
    tuned, untouched = (prepare(recipe(ema_decay=0.5), accelerator="cpu")[1] for _ in range(2))
    random_state = torch.get_rng_state()
    assert tune_thread_count(tuned).startswith("threads: ")
    assert torch.equal(torch.get_rng_state(), random_state)
    losses = []
    for task in (tuned, untouched):
        torch.manual_seed(0)
        losses.append([task.step(batch)["loss"].item() for batch in task.batches(0)])
    assert losses[0] == losses[1]
    assert tuned.learning_rate() == untouched.learning_rate()


@pytest.mark.usefixtures("_restored_threads")
@pytest.mark.parametrize("batch_size", [32, 10_000])
def test_tuning_takes_no_more_steps_than_a_run_of_one_epoch(
    monkeypatch: pytest.MonkeyPatch, batch_size: int
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    # A one-cycle schedule raises an error after the last step of the run.
    short = recipe(epochs=1, batch_size=batch_size, schedule={"kind": "one_cycle", "peak": 0.25})
    task = prepare(short, accelerator="cpu")[1]
    monkeypatch.setattr(threads, "_SECONDS_PER_COUNT", 60.0)
    assert tune_thread_count(task).startswith("threads: ")
    for batch in task.batches(0):
        task.step(batch)


def test_a_thread_count_of_the_environment_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    task = prepare(recipe(), accelerator="cpu")[1]
    expected = f"threads: {torch.get_num_threads()} (OMP_NUM_THREADS)"
    assert tune_thread_count(task) == expected
