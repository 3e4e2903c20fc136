"""Named learning-rate schedules over torch's own. Every schedule advances once per step.

Recipes give lengths in epochs; `build` converts them to steps.
"""

from abc import ABC, abstractmethod
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, NonNegativeFloat, PositiveFloat
from torch.optim import Optimizer, lr_scheduler

from models_store.base import FrozenModel

_OpenUnitInterval = Annotated[float, Field(gt=0, lt=1)]


class _RunLength(NamedTuple):
    steps_per_epoch: int
    schedule_steps: int
    """Total number of steps without the warm-up."""


class _Base(FrozenModel, ABC):
    warmup_epochs: NonNegativeFloat = 0.0
    """Linear warm-up from 1 % of the rate (Goyal et al. 2017, section 2.2) before the schedule."""

    def build(
        self, optimizer: Optimizer, steps_per_epoch: int, epochs: int
    ) -> lr_scheduler.LRScheduler:
        warmup = round(self.warmup_epochs * steps_per_epoch)
        # Built before the warm-up, which lowers the rate from which the main schedule would start.
        main = self._main(
            optimizer, _RunLength(steps_per_epoch, max(1, epochs * steps_per_epoch - warmup))
        )
        if not warmup:
            return main
        ramp = lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters=warmup)
        return lr_scheduler.SequentialLR(optimizer, [ramp, main], milestones=[warmup])

    @abstractmethod
    def _main(self, optimizer: Optimizer, run: _RunLength) -> lr_scheduler.LRScheduler:
        """Return the schedule after the warm-up."""


class ConstantSchedule(_Base):
    """Keep the rate constant."""

    kind: Literal["constant"] = "constant"

    def _main(self, optimizer: Optimizer, run: _RunLength) -> lr_scheduler.LRScheduler:
        return lr_scheduler.ConstantLR(optimizer, factor=1.0, total_iters=run.schedule_steps)


class Linear(_Base):
    """Decrease the rate of every parameter group linearly to zero."""

    kind: Literal["linear"] = "linear"

    def _main(self, optimizer: Optimizer, run: _RunLength) -> lr_scheduler.LRScheduler:
        return lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=run.schedule_steps)


class StepDecay(_Base):
    """Multiply the rate by `gamma` every `every_epochs`."""

    kind: Literal["step"] = "step"
    every_epochs: PositiveFloat
    gamma: _OpenUnitInterval = 0.1

    def _main(self, optimizer: Optimizer, run: _RunLength) -> lr_scheduler.LRScheduler:
        size = max(1, round(self.every_epochs * run.steps_per_epoch))
        return lr_scheduler.StepLR(optimizer, size, self.gamma)


class Exponential(_Base):
    """Multiply the rate by `gamma` per epoch, spread evenly over its steps."""

    kind: Literal["exponential"] = "exponential"
    gamma: _OpenUnitInterval = 0.9

    def _main(self, optimizer: Optimizer, run: _RunLength) -> lr_scheduler.LRScheduler:
        return lr_scheduler.ExponentialLR(optimizer, self.gamma ** (1 / run.steps_per_epoch))


class Cosine(_Base):
    """Follow half a cosine down to `final` times the rate (Loshchilov and Hutter 2017)."""

    kind: Literal["cosine"] = "cosine"
    final: Annotated[float, Field(ge=0, lt=1)] = 0.0

    def _main(self, optimizer: Optimizer, run: _RunLength) -> lr_scheduler.LRScheduler:
        lowest = self.final * float(optimizer.param_groups[0]["lr"])
        return lr_scheduler.CosineAnnealingLR(optimizer, run.schedule_steps, lowest)


class Cyclic(_Base):
    """Cycle linearly between `lowest` times the rate and the rate (Smith 2017, 1506.01186)."""

    kind: Literal["cyclic"] = "cyclic"
    lowest: _OpenUnitInterval = 0.1
    cycle_epochs: PositiveFloat = 2.0

    def _main(self, optimizer: Optimizer, run: _RunLength) -> lr_scheduler.LRScheduler:
        rate = float(optimizer.param_groups[0]["lr"])
        half = max(1, round(self.cycle_epochs * run.steps_per_epoch / 2))
        return lr_scheduler.CyclicLR(
            optimizer, rate * self.lowest, rate, step_size_up=half, cycle_momentum=False
        )


class OneCycle(_Base):
    """Rise to the rate, then fall to almost zero (Smith and Topin 2018, arXiv 1708.07120)."""

    kind: Literal["one_cycle"] = "one_cycle"
    peak: _OpenUnitInterval = 0.3
    """The fraction of training at which the rate is highest."""
    start: _OpenUnitInterval = 0.04
    """The first rate as a fraction of the highest."""
    anneal: Literal["cosine", "linear"] = "linear"

    def _main(self, optimizer: Optimizer, run: _RunLength) -> lr_scheduler.LRScheduler:
        return lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=float(optimizer.param_groups[0]["lr"]),
            total_steps=run.schedule_steps + 1,
            pct_start=self.peak,
            div_factor=1 / self.start,
            anneal_strategy="cos" if self.anneal == "cosine" else "linear",
            cycle_momentum=False,
        )


Schedule = Annotated[
    ConstantSchedule | Linear | StepDecay | Exponential | Cosine | Cyclic | OneCycle,
    Field(discriminator="kind"),
]
