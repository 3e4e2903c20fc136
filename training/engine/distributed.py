"""Data-parallel training on several devices and nodes.

A recipe states what is computed, not where: its batch is split between the processes, and their
gradients are averaged (Li et al. 2020, arXiv 2006.15704). All processes draw the same order and
transforms of a batch before splitting it. Two processes therefore compute what one does with the
same recipe, up to the order of float additions, with two exceptions: batch norms see the process's
own part of the batch, and each process draws its own dropout and noise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Literal, TypeVar

import torch
from lightning_fabric import Fabric
from torch import Tensor

from training.errors import RecipeError

BatchT = TypeVar("BatchT")
_SINGLE_DEVICE_TASKS = {"adversarial"}
"""Tasks that train several networks in turn within a step."""


@dataclass(frozen=True)
class DistributedConfig:
    """Number of processes of a run: one for each device of each node."""

    devices: int = 1
    nodes: int = 1
    strategy: Literal["auto", "ddp"] = "auto"

    @property
    def world_size(self) -> int:
        return self.devices * self.nodes

    def create_fabric(self, accelerator: str, precision: Any) -> Fabric:
        """Fabric starts the other processes of this node; torchrun starts those of other nodes."""
        return Fabric(
            accelerator=accelerator,
            strategy=self.strategy,
            devices=self.devices,
            num_nodes=self.nodes,
            precision=precision,
        )

    def validate(self, task: str, batch_size: int) -> None:
        """Raise RecipeError if this number of processes cannot train the recipe."""
        if self.world_size == 1:
            return
        if task in _SINGLE_DEVICE_TASKS:
            raise RecipeError(f"the task {task} trains on one device, got {self.world_size}")
        if batch_size % self.world_size:
            raise RecipeError(
                f"batch_size {batch_size} cannot be split between {self.world_size} processes "
                f"({self.nodes} nodes × {self.devices} devices): it must be a multiple of them"
            )


def shard_batch(batch: BatchT, fabric: Fabric) -> BatchT:
    """Return this process's part of a batch: every world_size-th row of its tensors.

    A batch is a tensor, or a tuple or dataclass. Its tensors have the batch axis first; other
    fields stay. All processes get the same number of rows; the remainder is dropped.
    """
    if fabric.world_size == 1:
        return batch
    shard: BatchT = _shard(batch, fabric.global_rank, fabric.world_size)
    return shard


def _shard(batch: Any, rank: int, world_size: int) -> Any:
    if isinstance(batch, Tensor):
        return batch[: len(batch) // world_size * world_size][rank::world_size]
    if isinstance(batch, tuple):
        shards = [_shard(item, rank, world_size) for item in batch]
        return type(batch)(*shards) if hasattr(batch, "_fields") else tuple(shards)
    if is_dataclass(batch) and not isinstance(batch, type):
        changed = {f.name: _shard(getattr(batch, f.name), rank, world_size) for f in fields(batch)}
        return replace(batch, **changed)
    return batch


def all_reduce_mean(fabric: Fabric, scores: Mapping[str, Tensor]) -> dict[str, float]:
    """Average scalars over all processes, which must have the same names."""
    # Reading a scalar waits for the device. A step is long, so this does not matter.
    if fabric.world_size == 1:
        return {name: score.item() for name, score in scores.items()}
    stacked = torch.stack([score.float() for score in scores.values()])
    mean = fabric.all_reduce(stacked, reduce_op="mean")
    if not isinstance(mean, Tensor):
        raise TypeError(type(mean))
    return dict(zip(scores, mean.tolist(), strict=True))
