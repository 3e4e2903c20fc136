"""On how many devices of how many machines a run computes, and what each of them is given.

A recipe says what is computed, not where: its batch is split between the processes, and their
gradients are averaged (Li et al. 2020, arXiv 2006.15704). What is drawn for a batch, its order and
its transforms, is drawn alike by all of them before it is split. So two processes compute what one
does with the same recipe, up to the order in which floats are added, except where a network looks
at its batch as a whole, or draws as it goes: batch norms see a process's own part (as those of He
et al. 2015 saw a GPU's), dropout and noise are drawn by each process for itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Literal, TypeVar

import torch
from lightning_fabric import Fabric
from torch import Tensor

from training.errors import RecipeError

__all__ = ["Machines", "mean_over", "share"]

BatchT = TypeVar("BatchT")
_ALONE = {"adversarial"}
"""Tasks whose networks take turns, within a step, at being trained."""


@dataclass(frozen=True)
class Machines:
    """Processes of a run: one for each device of each node."""

    devices: int = 1
    nodes: int = 1
    strategy: Literal["auto", "ddp"] = "auto"

    @property
    def processes(self) -> int:
        return self.devices * self.nodes

    def fabric(self, accelerator: str, precision: Any) -> Fabric:
        """Fabric starts the other processes of this node; on several, torchrun does."""
        return Fabric(
            accelerator=accelerator,
            strategy=self.strategy,
            devices=self.devices,
            num_nodes=self.nodes,
            precision=precision,
        )

    def check(self, task: str, batch_size: int) -> None:
        """Raises RecipeError where a recipe cannot be computed by so many."""
        if self.processes == 1:
            return
        if task in _ALONE:
            raise RecipeError(f"the task {task} trains on one device, not on {self.processes}")
        if batch_size % self.processes:
            raise RecipeError(
                f"batch_size {batch_size} cannot be split between {self.processes} processes "
                f"({self.nodes} nodes × {self.devices} devices): it must be a multiple of them"
            )


def share(batch: BatchT, fabric: Fabric) -> BatchT:
    """What of a batch is this process's: every world_size-th row of its tensors, of equal number.

    A batch is a tensor, or a tuple or dataclass of tensors with the batch's axis first and of
    whatever else, which stays as it is. What is left over goes to nobody.
    """
    if fabric.world_size == 1:
        return batch
    part: BatchT = _part(batch, fabric.global_rank, fabric.world_size)
    return part


def _part(batch: Any, rank: int, of: int) -> Any:
    if isinstance(batch, Tensor):
        return batch[: len(batch) // of * of][rank::of]
    if isinstance(batch, tuple):
        parts = [_part(item, rank, of) for item in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else tuple(parts)
    if is_dataclass(batch) and not isinstance(batch, type):
        changed = {f.name: _part(getattr(batch, f.name), rank, of) for f in fields(batch)}
        return replace(batch, **changed)
    return batch


def mean_over(fabric: Fabric, scores: Mapping[str, Tensor]) -> dict[str, float]:
    """Scalars of one step, averaged over all processes; each must have the same names."""
    # Reading a scalar waits for the device; one step is long enough for that not to matter.
    if fabric.world_size == 1:
        return {name: score.item() for name, score in scores.items()}
    together = torch.stack([score.float() for score in scores.values()])
    mean = fabric.all_reduce(together, reduce_op="mean")
    if not isinstance(mean, Tensor):
        raise TypeError(type(mean))
    return dict(zip(scores, mean.tolist(), strict=True))
