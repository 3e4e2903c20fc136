"""The only training loop. What is learnt, and how, is the task's business (`tasks/`)."""

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml
from lightning_fabric import Fabric

from training.config.precision import resolve_precision, resolve_recipe
from training.config.recipe import Recipe
from training.datasets.batches import epoch_seed
from training.engine import checkpoint
from training.engine.csv_logger import CsvLogger
from training.engine.distributed import DistributedConfig, all_reduce_mean, shard_batch
from training.engine.progress_bar import TrainingProgress
from training.errors import DivergenceError, RecipeError
from training.pretrained.files import load_weights_file
from training.publish.provenance import Environment
from training.tasks.base import Scores, Split, Task
from training.tasks.single_network import SingleNetwork

__all__ = ["FitResult", "fit", "prepare", "restore"]

SINGLE_DEVICE = DistributedConfig()
_RANK_STRIDE = 500_009
"""Between the seeds of two processes; epochs and seeds of recipes lie on another grid."""


_RECIPE = "recipe.yaml"


@dataclass
class _State:
    """Where a run stands. Saved with every checkpoint."""

    epoch: int = 0
    seconds: float = 0.0
    best: float | None = None
    since_best: int = 0
    log: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class FitResult:
    """A finished run: the task with its trained network, what was logged, and how long it took."""

    task: Task
    log: list[dict[str, float]]
    seconds: float
    environment: Environment = field(default_factory=Environment.current)
    is_rank_zero: bool = True
    """Whether this process is the one, of all that trained together, that wrote the run."""


def prepare(
    recipe: Recipe, distributed: DistributedConfig = SINGLE_DEVICE, accelerator: str = "auto"
) -> tuple[Fabric, Task]:
    """The recipe's task, initialised from its seed, on the devices that there are.

    Raises:
        RecipeError: the data do not fit the task, or the recipe so many devices.
    """
    recipe = resolve_recipe(recipe)
    distributed.validate(recipe.task.kind, recipe.batch_size)
    fabric = distributed.create_fabric(accelerator, resolve_precision(recipe.precision))
    fabric.launch()
    torch.manual_seed(recipe.seed)
    data: Any = recipe.data.load()  # the recipe has checked that its task learns from such data
    return fabric, recipe.task.build(recipe, data, fabric)


def fit(
    recipe: Recipe,
    run_dir: Path,
    *,
    resume: bool = False,
    show_progress: bool = True,
    distributed: DistributedConfig = SINGLE_DEVICE,
    accelerator: str = "auto",
) -> FitResult:
    """Train as `recipe` says, writing its recipe, log, environment and checkpoints to `run_dir`.

    On several `machines`, the first process writes; all of them return.

    With `resume`, continues after the last completed epoch with the same numbers that an
    uninterrupted run would have had: every epoch draws from a seed of its own. A run that was
    killed before its first epoch was over begins anew.

    Raises:
        DivergenceError: when the loss is no longer finite; the last good checkpoint stays.
    """
    recipe = resolve_recipe(recipe)
    fabric, task = prepare(recipe, distributed, accelerator)
    last, best = run_dir / "last.ckpt", run_dir / "best.ckpt"
    if fabric.is_global_zero:
        checkpoint.remove_partial_files(run_dir)
    if resume and (last.exists() or not (run_dir / _RECIPE).exists()):
        state = _State(**checkpoint.load_checkpoint(fabric, last, recipe, task.checkpoint_state()))
    elif last.exists():
        raise RecipeError(f"{run_dir} holds a run already: use --resume, or another --run-dir")
    else:
        state = _State()
        if recipe.start_from is not None:
            _load_initial_weights(recipe.start_from, task)
        if fabric.is_global_zero:
            _init_run_dir(recipe, run_dir)
    csv = CsvLogger(run_dir / "metrics.csv", state.log) if fabric.is_global_zero else None

    show_progress = show_progress and fabric.is_global_zero
    with TrainingProgress(
        recipe.name, recipe.epochs, task.steps_per_epoch, state.epoch, show_progress
    ) as progress:
        while state.epoch < recipe.epochs and not _should_stop(recipe, state):
            row = _train_epoch(recipe, task, state.epoch, progress, fabric)
            state.epoch += 1
            improved = _update_early_stopping(task, row, state)
            state.seconds += row["seconds"]
            state.log.append(row)
            # The best one first: after a kill between the two, the epoch is done over, and is the
            # best once more. The other way round `last` would speak of a best that is not there.
            if improved and recipe.early_stop:
                checkpoint.save_checkpoint(
                    fabric, best, recipe, task.checkpoint_state(), vars(state)
                )
            checkpoint.save_checkpoint(fabric, last, recipe, task.checkpoint_state(), vars(state))
            if csv is not None:
                csv.append(row)
                task.save_samples(run_dir, state.epoch)
    if recipe.early_stop and best.exists():
        checkpoint.load_checkpoint(fabric, best, recipe, task.checkpoint_state())
    first = fabric.is_global_zero
    environment = Environment.load(run_dir) if first else Environment.current()
    return FitResult(task, state.log, state.seconds, environment, first)


def _load_initial_weights(weights: Path, task: Task) -> None:
    if not isinstance(task, SingleNetwork):
        raise RecipeError("start_from is for recipes that train one network")
    task.init_from(load_weights_file(weights).tensors, weights)


def _init_run_dir(recipe: Recipe, run_dir: Path) -> None:
    run_dir.mkdir(parents=True, exist_ok=True)
    resolved = recipe.model_dump(mode="json", by_alias=True)
    (run_dir / _RECIPE).write_text(yaml.safe_dump(resolved, sort_keys=False))
    Environment.current().save(run_dir)


def _train_epoch(
    recipe: Recipe, task: Task, epoch: int, progress: TrainingProgress, fabric: Fabric
) -> dict[str, float]:
    """One pass over the training data, and the scores after it."""
    # What is drawn in a step is drawn for a process's own part of the batch.
    torch.manual_seed(epoch_seed(recipe.seed, epoch) + _RANK_STRIDE * fabric.global_rank)
    started = time.perf_counter()
    sums: dict[str, float] = {}
    learning_rate = task.learning_rate()
    steps = 0
    for steps, batch in enumerate(task.batches(epoch), start=1):
        scores = all_reduce_mean(fabric, task.step(shard_batch(batch, fabric)))
        _check_finite(scores["loss"], epoch, steps, learning_rate)
        sums = {name: sums.get(name, 0.0) + score for name, score in scores.items()}
        progress.on_step({name: total / steps for name, total in sums.items()})
    row = {"epoch": float(epoch + 1), "learning_rate": learning_rate}
    row |= {f"train_{name}": total / steps for name, total in sums.items()}
    if (epoch + 1) % recipe.evaluate_every == 0 or epoch + 1 == recipe.epochs:
        row |= _evaluate(task)
    row["seconds"] = time.perf_counter() - started
    # One process's scores decide for all, or they could stop at different epochs.
    row = fabric.broadcast(row)
    progress.on_epoch_end(row)
    return row


def _evaluate(task: Task) -> Scores:
    """Of the held-out pictures if there are any; else of the test set, which decides nothing."""
    split: Split = "validation" if task.has_split("validation") else "test"
    return {f"{split}_{name}": score for name, score in task.evaluate(split).items()}


def _check_finite(loss: float, epoch: int, step: int, learning_rate: float) -> None:
    if not math.isfinite(loss):
        raise DivergenceError(
            f"the loss became {loss} in epoch {epoch + 1}, step {step}, at learning rate "
            f"{learning_rate:.2g}. A lower optimizer.lr, schedule.warmup_epochs, or clip_norm: 1 "
            "usually "
            "helps; --resume then continues after the last good epoch only with the same recipe"
        )


def _update_early_stopping(task: Task, row: dict[str, float], state: _State) -> bool:
    """Keep count of the epochs without progress. True when this one is the best so far."""
    score = row.get(f"validation_{task.monitor.name}")
    if score is None:
        return False
    if task.monitor.improved(score, state.best):
        state.best, state.since_best = score, 0
        return True
    state.since_best += 1
    return False


def _should_stop(recipe: Recipe, state: _State) -> bool:
    return recipe.early_stop is not None and state.since_best >= recipe.early_stop.patience


def restore(recipe: Recipe, run_dir: Path) -> FitResult:
    """A finished or interrupted run, with the weights that it would publish now."""
    fabric, task = prepare(recipe)
    best, last = run_dir / "best.ckpt", run_dir / "last.ckpt"
    # What was logged is in the last one, also where an earlier epoch's weights are the best.
    state = _State(**checkpoint.load_checkpoint(fabric, last, recipe, task.checkpoint_state()))
    if recipe.early_stop and best.exists():
        checkpoint.load_checkpoint(fabric, best, recipe, task.checkpoint_state())
    return FitResult(task, state.log, state.seconds, Environment.load(run_dir))
