"""The number of CPU threads of a run, measured on its own optimization steps."""

import os
import time
from copy import deepcopy

import torch

from training.tasks.base import Task

_SECONDS_PER_COUNT = 0.25
_MIN_SPEEDUP = 1.1
"""More threads must be this many times as fast: they also compete with other processes."""


def tune_thread_count(task: Task) -> str:
    """Set torch's number of threads to the fastest for `task`; return a line that reports it.

    `OMP_NUM_THREADS`, when set, is kept. The task's state and the random state do not change.
    """
    if os.environ.get("OMP_NUM_THREADS"):
        return f"threads: {torch.get_num_threads()} (OMP_NUM_THREADS)"
    counts = candidate_thread_counts(torch.get_num_threads())
    saved = {name: deepcopy(part.state_dict()) for name, part in task.checkpoint_state().items()}
    rates = {}
    for count in counts:
        with torch.random.fork_rng():
            rates[count] = _steps_per_second(task, count)
        # Before the next count, too: a schedule allows no more steps than the run has.
        for name, part in task.checkpoint_state().items():
            part.load_state_dict(deepcopy(saved[name]))
    threads = fastest_thread_count(rates)
    torch.set_num_threads(threads)
    measured = ", ".join(f"{count}: {rate:.3g}" for count, rate in rates.items())
    return f"threads: {threads} (steps per second by number of threads: {measured})"


def candidate_thread_counts(available: int) -> list[int]:
    """Return the powers of two below `available`, and `available`."""
    return [*(2**i for i in range(available.bit_length()) if 2**i < available), available]


def fastest_thread_count(rates: dict[int, float]) -> int:
    """Return the smallest count that no larger one beats by 10 % or more."""
    chosen, *larger = sorted(rates)
    for count in larger:
        if rates[count] >= _MIN_SPEEDUP * rates[chosen]:
            chosen = count
    return chosen


def _steps_per_second(task: Task, threads: int) -> float:
    """Measure steps of the first epoch, for at most `_SECONDS_PER_COUNT`."""
    torch.set_num_threads(threads)
    batches = iter(task.batches(0))
    if task.steps_per_epoch > 1:
        task.step(next(batches))  # the first step allocates memory and starts the threads
    started, steps = time.perf_counter(), 0
    for batch in batches:
        task.step(batch)
        steps += 1
        if time.perf_counter() - started >= _SECONDS_PER_COUNT:
            break
    return steps / (time.perf_counter() - started)
