"""Checkpoints, written to a temporary file and renamed, so that a kill never damages one."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from training.config.recipe import Recipe
from training.errors import CheckpointError

_PARTIAL = ".partial"


def save_checkpoint(
    fabric: Fabric, path: Path, recipe: Recipe, state: dict[str, Any], progress: dict[str, Any]
) -> None:
    """Write `state` (modules, optimizers, …) and `progress` (plain values) as one file.

    Raises:
        CheckpointError: when it cannot be written. The previous checkpoint is unchanged.
    """
    partial = path.with_suffix(_PARTIAL)
    try:
        fabric.save(partial, {**state, "progress": progress, "recipe": _recipe_identity(recipe)})
        if fabric.is_global_zero:
            _fsync(partial)
            partial.replace(path)
            _fsync(path.parent)
    except (
        OSError,
        RuntimeError,
    ) as error:  # torch raises RuntimeError, without a reason, on a full disk
        free = shutil.disk_usage(path.parent).free
        partial.unlink(missing_ok=True)
        raise CheckpointError(
            f"{path} could not be written: {free:,} bytes are free ({error}). The previous "
            "checkpoint, if any, is intact: free some space and continue with --resume"
        ) from error
    fabric.barrier()


def remove_partial_files(run_dir: Path) -> None:
    """Remove files that a kill during writing left behind."""
    for partial in run_dir.glob(f"*{_PARTIAL}"):
        partial.unlink(missing_ok=True)


def _fsync(path: Path) -> None:
    """Flush to the disk: a file's name must not become durable before its content."""
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
        CheckpointError: when there is none, it cannot be read, or another recipe wrote it. In the
            last case nothing is restored.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint {path} to resume from")
    # Read twice: the tensors of another recipe may not fit, and "size mismatch" would not say why.
    if not _is_same_recipe(_load_state(fabric, path, {})["recipe"], recipe):
        raise CheckpointError(
            f"{path} was written by another recipe; resume with the one in recipe.yaml beside it, "
            "or choose another --run-dir"
        )
    progress: dict[str, Any] = _load_state(fabric, path, state)["progress"]
    return progress


def _load_state(fabric: Fabric, path: Path, state: dict[str, Any]) -> dict[str, Any]:
    """Restore `state` in place and return the rest of the file."""
    try:
        content = fabric.load(path, state)
        return {"recipe": content["recipe"], "progress": content["progress"]}
    except Exception as error:  # torch raises various types for a damaged or foreign file
        raise CheckpointError(f"{path} cannot be restored: {error!r}") from error


def _recipe_identity(recipe: Recipe) -> str:
    # The model card may change between runs; what is computed may not.
    return recipe.model_dump_json(exclude={"publish"}, by_alias=True)


def _is_same_recipe(saved: str, recipe: Recipe) -> bool:
    """Return whether `saved`, an identity, describes the same computation as `recipe`.

    The two are compared as recipes, not as text: a field added to `Recipe` later has its default in
    both, so that older checkpoints stay readable.
    """
    try:
        fields = {**json.loads(saved), "publish": recipe.publish}
        return Recipe.model_validate(fields) == recipe
    except (ValueError, TypeError):  # not JSON, not a mapping, or no longer a valid recipe
        return False
