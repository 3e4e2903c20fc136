"""What the loop in `fit.py` asks of a task."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from torch import Tensor

from training.publish.spec import ExportSpec

__all__ = ["Monitor", "Scores", "Split", "Task"]

Scores = dict[str, float]
Split = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Monitor:
    """The score that early stopping and the progress bar follow."""

    name: str
    higher_is_better: bool

    def improved(self, score: float, best: float | None) -> bool:
        if best is None:
            return True
        return score > best if self.higher_is_better else score < best


class Task(Protocol):
    """One objective on one data set. The task owns its networks, optimizers and schedules."""

    monitor: Monitor
    steps_per_epoch: int

    def batches(self, epoch: int) -> Iterable[Any]:
        """The training batches of `epoch`; the same ones whenever they are asked for."""
        ...

    def step(self, batch: Any) -> dict[str, Tensor]:
        """One optimisation step. Returns detached scalars; `loss` is always among them."""
        ...

    def evaluate(self, split: Split) -> Scores:
        """The scores of the network that would be published now, on a whole split."""
        ...

    def has_split(self, split: Split) -> bool:
        """Whether the data set has that split."""
        ...

    def learning_rate(self) -> float: ...

    def checkpoint_state(self) -> dict[str, Any]:
        """Everything that a checkpoint must hold: modules, optimizers, schedules, averages."""
        ...

    def save_samples(self, folder: Path, epoch: int) -> None:
        """Pictures below `folder` of what the network does after `epoch` epochs, if there are any.

        Drawn without touching the random state, so that a resumed run goes on with its numbers.
        """
        ...

    def export_spec(self) -> ExportSpec:
        """Everything that publishing the network needs to know."""
        ...
