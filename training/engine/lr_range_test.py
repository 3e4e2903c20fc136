"""The learning-rate range test (Smith 2017, "Cyclical Learning Rates", arXiv 1506.01186, 3.3).

One short run in which the rate grows from step to step. The loss first stands, then falls, then
flies off: a good rate is where it falls fastest, and the highest that a schedule should reach lies
somewhat below where it is lowest.
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
from training.optim.schedules import Constant
from training.tasks.base import Task

__all__ = ["RangeTest", "range_test", "smoothed"]

_DIVERGED = 4.0
"""Times the lowest loss: nothing is learnt from going on (as fastai's finder does)."""

_FEWEST = 10


@dataclass(frozen=True)
class RangeTest:
    """`rates` and what the `losses` were at them, step by step; `recipe_rate` is the recipe's."""

    rates: list[float]
    losses: list[float]
    recipe_rate: float

    @property
    def smooth(self) -> list[float]:
        return smoothed(self.losses)

    @property
    def lowest(self) -> float:
        """The rate at which the smoothed loss is lowest."""
        return self.rates[min(range(len(self.rates)), key=self.smooth.__getitem__)]

    @property
    def steepest(self) -> float:
        """The rate, up to `lowest`, at which the smoothed loss falls fastest per decade."""
        smooth = self.smooth
        last = max(self.rates.index(self.lowest), 1)
        return self.rates[min(range(1, last + 1), key=lambda i: smooth[i] - smooth[i - 1])]


def smoothed(losses: list[float], beta: float = 0.9) -> list[float]:
    """Their running average, corrected for its start at zero as Adam's."""
    average, out = 0.0, []
    for step, loss in enumerate(losses, start=1):
        average = beta * average + (1 - beta) * loss
        out.append(average / (1 - beta**step))
    return out


def range_test(
    recipe: Recipe, *, lowest: float = 1e-5, highest: float = 10.0, steps: int = 100
) -> RangeTest:
    """Train `recipe` for at most `steps` steps while its rate grows evenly in the logarithm.

    Where a task has several rates, all grow in the proportion that the recipe gives them.

    Raises:
        DivergenceError: when the loss flies off before there is anything to see.
    """
    # Its own schedule would end, or move the rates itself.
    _, task = prepare(recipe.model_copy(update={"schedule": Constant()}))
    recipe_rate = task.learning_rate()
    groups = [(group, group["lr"] / recipe_rate) for group in _groups(task)]
    rates, losses = [], []
    torch.manual_seed(recipe.seed)
    for step, batch in zip(range(steps), _forever(task), strict=False):
        rate = lowest * (highest / lowest) ** (step / max(1, steps - 1))
        for group, share in groups:
            group["lr"] = rate * share
        loss = task.step(batch)["loss"].item()
        if not math.isfinite(loss):
            break
        rates.append(rate)
        losses.append(loss)
        smooth = smoothed(losses)
        if smooth[-1] > _DIVERGED * max(min(smooth), 1e-9):
            break
    if len(rates) < _FEWEST:
        raise DivergenceError(
            f"the loss flew off after {len(rates)} steps: start the range test lower than at "
            f"{lowest:.2g}"
        )
    return RangeTest(rates, losses, recipe_rate)


def _groups(task: Task) -> list[dict[str, Any]]:
    optimizers = [part for part in task.state().values() if isinstance(part, Optimizer)]
    return [group for optimizer in optimizers for group in optimizer.param_groups]


def _forever(task: Task) -> Iterator[Any]:
    epoch = 0
    while True:
        yield from task.batches(epoch)
        epoch += 1
