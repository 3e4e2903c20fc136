"""`Task`: the interface between the training loop and an objective, and `build_task`."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import singledispatch
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional

from training.config.tasks import TaskConfig
from training.config.train import TrainConfig
from training.datasets.base import DataSet, DataSplit
from training.errors import DataError

Scores = dict[str, float]
Split = Literal["train", "validation", "test"]
SplitT = TypeVar("SplitT", bound=DataSplit)


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
        """Return the training batches of `epoch`; every call returns the same batches."""
        ...

    def step(self, batch: Any) -> dict[str, Tensor]:
        """Take one optimization step. Return detached scalars, `loss` among them."""
        ...

    def evaluate(self, split: Split) -> Scores:
        """Return the scores of the network that would be published now, on a whole split."""
        ...

    def has_split(self, split: Split) -> bool:
        """Return whether the data set has that split."""
        ...

    def learning_rate(self) -> float: ...

    def checkpoint_state(self) -> dict[str, Any]:
        """Return what a checkpoint must hold: modules, optimizers, schedules, averages."""
        ...

    def save_samples(self, folder: Path, epoch: int) -> None:
        """Save example outputs after `epoch` epochs below `folder`, if the task has any.

        The random state must not change, so that a resumed run continues with the same numbers.
        """
        ...


def classification_scores(logits: Tensor, labels: Tensor) -> Scores:
    """Return the accuracy and the mean nats of logits (…, K) for labels (…)."""
    logits, labels = logits.flatten(0, -2), labels.flatten()
    return {
        "accuracy": float((logits.argmax(-1) == labels).float().mean()),
        "nll": float(functional.cross_entropy(logits, labels)),
    }


def held_out_split(task: Task) -> Split:
    """Return the split that a task's published scores are of: the test split, if there is one.

    Texts have none. By convention their last part is held out, which selects only the epoch.
    """
    return "test" if task.has_split("test") else "validation"


class DatasetTask(Generic[SplitT]):
    """A task on a data set with splits."""

    data: DataSet[SplitT]

    def split(self, name: Split) -> SplitT:
        """Return a split. Raises DataError when the data set has no such split."""
        splits = {"train": self.data.train, "test": self.data.test}
        split = splits.get(name, self.data.validation)
        if split is None:
            raise DataError(f"{self.data.title} has no {name} split: set data.validation_size")
        return split

    def has_split(self, split: Split) -> bool:
        return split != "validation" or self.data.validation is not None


@singledispatch
def build_task(
    config: TaskConfig,
    train_config: TrainConfig,  # noqa: ARG001  # the arguments of every registered class
    data: object,  # noqa: ARG001
    fabric: Fabric,  # noqa: ARG001
) -> Task:
    """Build the task, with its networks initialised and set up by `fabric`.

    Raises:
        RecipeError: when the network or the data do not fit the task.
    """
    raise TypeError(f"no task is registered for {type(config).__name__}")
