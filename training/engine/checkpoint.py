"""Checkpoints that survive a kill at any moment: written beside, then renamed into place."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from training.config.recipe import Recipe
from training.errors import CheckpointError

__all__ = ["load_checkpoint", "remove_partial_files", "save_checkpoint"]

_PARTIAL = ".partial"


def save_checkpoint(
    fabric: Fabric, path: Path, recipe: Recipe, state: dict[str, Any], progress: dict[str, Any]
) -> None:
    """Write `state` (modules, optimizers, …) and `progress` (plain values) as one file.

    Raises:
        CheckpointError: when it cannot be written; what was there before is as it was.
    """
    partial = path.with_suffix(_PARTIAL)
    try:
        fabric.save(partial, {**state, "progress": progress, "recipe": _recipe_identity(recipe)})
        if fabric.is_global_zero:
            _fsync(partial)
            partial.replace(path)
            _fsync(path.parent)
    except (OSError, RuntimeError) as error:  # torch's own, without a reason, where a disk is full
        free = shutil.disk_usage(path.parent).free
        partial.unlink(missing_ok=True)
        raise CheckpointError(
            f"{path} could not be written: {free:,} bytes are free there ({error}). The one before "
            "it is whole, if there was one: make room, and --resume goes on from there"
        ) from error
    fabric.barrier()


def remove_partial_files(run_dir: Path) -> None:
    """Take away what a kill in the middle of writing left."""
    for partial in run_dir.glob(f"*{_PARTIAL}"):
        partial.unlink(missing_ok=True)


def _fsync(path: Path) -> None:
    """To the disk: a name must not become durable before what it names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def load_checkpoint(
    fabric: Fabric, path: Path, recipe: Recipe, state: dict[str, Any]
) -> dict[str, Any]:
    """Restore `state` in place and return the `progress` that was saved with it.

    Raises:
        CheckpointError: when there is none, it cannot be read, or it is of another recipe. Of
            another recipe, nothing is restored.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint {path} to resume from")
    # Read twice: another recipe's tensors need not fit, and "size mismatch" would not say why.
    if not _is_same_recipe(_load_state(fabric, path, {})["recipe"], recipe):
        raise CheckpointError(
            f"{path} was written by another recipe; resume with the one in recipe.yaml beside it, "
            "or choose another --run-dir"
        )
    progress: dict[str, Any] = _load_state(fabric, path, state)["progress"]
    return progress


def _load_state(fabric: Fabric, path: Path, state: dict[str, Any]) -> dict[str, Any]:
    """What the file holds beside `state`, which is restored in place."""
    try:
        content = fabric.load(path, state)
        return {"recipe": content["recipe"], "progress": content["progress"]}
    except Exception as error:  # torch raises many kinds for a damaged or foreign file
        raise CheckpointError(f"{path} cannot be restored: {error!r}") from error


def _recipe_identity(recipe: Recipe) -> str:
    # What is said about a model may be reworded between runs; what is computed may not.
    return recipe.model_dump_json(exclude={"publish"}, by_alias=True)


def _is_same_recipe(saved: str, recipe: Recipe) -> bool:
    """Whether `saved`, an identity, means what `recipe` means.

    Compared as recipes, not as text: a field that was added to `Recipe` since then has its default
    in both, so older checkpoints stay readable.
    """
    try:
        fields = {**json.loads(saved), "publish": recipe.publish}
        return Recipe.model_validate(fields) == recipe
    except (ValueError, TypeError):  # not JSON, no mapping, or a recipe that is valid no more
        return False
