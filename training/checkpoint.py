"""Checkpoints that survive a kill at any moment: written beside, then renamed into place."""

import os
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from training.errors import CheckpointError
from training.recipe import Recipe

__all__ = ["load", "save"]


def save(
    fabric: Fabric, path: Path, recipe: Recipe, state: dict[str, Any], progress: dict[str, Any]
) -> None:
    """Write `state` (modules, optimizers, …) and `progress` (plain values) as one file."""
    partial = path.with_suffix(".partial")
    fabric.save(partial, {**state, "progress": progress, "recipe": _identity(recipe)})
    if fabric.is_global_zero:
        os.replace(partial, path)
    fabric.barrier()


def load(fabric: Fabric, path: Path, recipe: Recipe, state: dict[str, Any]) -> dict[str, Any]:
    """Restore `state` in place and return the `progress` that was saved with it.

    Raises:
        CheckpointError: when there is none, it cannot be read, or it is of another recipe.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint {path} to resume from")
    try:
        rest = fabric.load(path, state)
    except Exception as error:  # torch raises many kinds for a damaged or foreign file
        raise CheckpointError(f"{path} cannot be restored: {error}") from error
    if rest["recipe"] != _identity(recipe):
        raise CheckpointError(
            f"{path} was written by another recipe; resume with the one in recipe.yaml beside it, "
            "or choose another --run-dir"
        )
    progress: dict[str, Any] = rest["progress"]
    return progress


def _identity(recipe: Recipe) -> str:
    # What is said about a model may be reworded between runs; what is computed may not.
    return recipe.model_dump_json(exclude={"publish"}, by_alias=True)
