"""The learning-rate range test (Smith 2017, "Cyclical Learning Rates", arXiv 1506.01186, 3.3).

One short run in which the rate grows from step to step. The loss first stays, then falls, then
diverges. A good rate is where it falls fastest; a schedule's highest rate should be somewhat below
the rate of the lowest loss.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.optim import Optimizer

from training.config.recipe import Recipe
from training.engine.trainer import prepare
from training.errors import DivergenceError
from training.optim.schedules import ConstantSchedule
from training.tasks.base import Task

_DIVERGENCE_FACTOR = 4.0
"""Stop when the loss exceeds the lowest one this many times (as fastai's finder does)."""

_MIN_STEPS = 10


@dataclass(frozen=True)
class LrRangeTestResult:
    """Learning rates and losses of all steps, and the recipe's own rate."""

    rates: list[float]
    losses: list[float]
    recipe_rate: float

    @property
    def smoothed_losses(self) -> list[float]:
        return smooth_losses(self.losses)

    @property
    def lowest_loss_rate(self) -> float:
        """Rate of the lowest smoothed loss."""
        return self.rates[min(range(len(self.rates)), key=self.smoothed_losses.__getitem__)]

    @property
    def steepest_rate(self) -> float:
        """Rate, up to `lowest_loss_rate`, at which the smoothed loss falls fastest per decade."""
        smooth = self.smoothed_losses
        last = max(self.rates.index(self.lowest_loss_rate), 1)
        return self.rates[min(range(1, last + 1), key=lambda i: smooth[i] - smooth[i - 1])]


def smooth_losses(losses: list[float], beta: float = 0.9) -> list[float]:
    """Return the running average of losses, with Adam's correction for its start at zero."""
    average, corrected = 0.0, []
    for step, loss in enumerate(losses, start=1):
        average = beta * average + (1 - beta) * loss
        corrected.append(average / (1 - beta**step))
    return corrected


def run_lr_range_test(
    recipe: Recipe, *, min_lr: float = 1e-5, max_lr: float = 10.0, steps: int = 100
) -> LrRangeTestResult:
    """Train by `recipe` for at most `steps` steps while its rate grows exponentially.

    When a task has several rates, all grow in the recipe's proportions.

    Raises:
        DivergenceError: when the loss diverges within the first steps.
    """
    # The recipe's own schedule would end, or change the rates.
    _, task = prepare(recipe.model_copy(update={"schedule": ConstantSchedule()}))
    recipe_rate = task.learning_rate()
    groups = [(group, group["lr"] / recipe_rate) for group in _parameter_groups(task)]
    rates, losses = [], []
    torch.manual_seed(recipe.seed)
    for step, batch in zip(range(steps), _cycle_batches(task), strict=False):
        rate = min_lr * (max_lr / min_lr) ** (step / max(1, steps - 1))
        for group, ratio in groups:
            group["lr"] = rate * ratio
        loss = task.step(batch)["loss"].item()
        if not math.isfinite(loss):
            break
        rates.append(rate)
        losses.append(loss)
        smoothed = smooth_losses(losses)
        if smoothed[-1] > _DIVERGENCE_FACTOR * max(min(smoothed), 1e-9):
            break
    if len(rates) < _MIN_STEPS:
        raise DivergenceError(
            f"the loss diverged after {len(rates)} steps: start the range test at a rate below "
            f"{min_lr:.2g}"
        )
    return LrRangeTestResult(rates, losses, recipe_rate)


def _parameter_groups(task: Task) -> list[dict[str, Any]]:
    optimizers = [part for part in task.checkpoint_state().values() if isinstance(part, Optimizer)]
    return [group for optimizer in optimizers for group in optimizer.param_groups]


def _cycle_batches(task: Task) -> Iterator[Any]:
    epoch = 0
    while True:
        yield from task.batches(epoch)
        epoch += 1
