"""The training loop. `training.tasks` implement the objectives and their steps."""

import math
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import torch
import yaml
from lightning_fabric import Fabric

from training.config.recipe import (
    RECIPE_FILE,
    Recipe,
    load_run_recipe,
    resolve_precision,
    resolve_recipe,
)
from training.datasets.base import epoch_seed
from training.engine import checkpoint
from training.engine.distributed import DistributedConfig, all_reduce_mean, shard_batch
from training.engine.environment import Environment
from training.engine.loggers import LoggerKind, open_log
from training.engine.progress_bar import TrainingProgress
from training.engine.threads import tune_thread_count
from training.errors import DivergenceError, RecipeError
from training.pretrained.files import load_weights_file
from training.tasks import build_task
from training.tasks.adversarial import Adversarial
from training.tasks.base import Scores, Split, Task
from training.tasks.single_network import SingleNetwork

SINGLE_DEVICE = DistributedConfig()
_RANK_STRIDE = 500_009
"""Difference between the seeds of two processes; no epoch or recipe seed is a multiple of it."""


@dataclass
class _State:
    """Progress of a run. Saved with every checkpoint."""

    epoch: int = 0
    seconds: float = 0.0
    best: float | None = None
    since_best: int = 0
    threads: int | None = None
    log: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class FitResult:
    """A finished run: the task with its trained networks, the log and the duration."""

    task: Task
    log: list[dict[str, float]]
    seconds: float
    environment: Environment = field(default_factory=Environment.current)
    is_rank_zero: bool = True
    """True in the one process that wrote the run."""


def prepare(
    recipe: Recipe, distributed: DistributedConfig = SINGLE_DEVICE, accelerator: str = "auto"
) -> tuple[Fabric, Task]:
    """Build the recipe's task on the available devices, initialised from its seed.

    Raises:
        RecipeError: when the data do not fit the task, or the recipe does not fit the devices.
    """
    recipe = resolve_recipe(recipe)
    distributed.validate(recipe.task.kind, recipe.batch_size)
    fabric = distributed.create_fabric(accelerator, resolve_precision(recipe.precision))
    fabric.launch()
    torch.manual_seed(recipe.seed)
    return fabric, build_task(recipe.task, recipe, recipe.data.load(), fabric)


def fit(
    recipe: Recipe,
    run_dir: Path,
    *,
    resume: bool = False,
    show_progress: bool = True,
    distributed: DistributedConfig = SINGLE_DEVICE,
    accelerator: str = "auto",
    tune_threads: bool = False,
    logger: LoggerKind | None = None,
) -> FitResult:
    """Train by `recipe`, writing its recipe, log, environment and checkpoints to `run_dir`.

    With several processes, the first one writes; all of them return.

    With `resume`, training continues after the last completed epoch with the same numbers that an
    uninterrupted run would have had, because every epoch draws from a seed of its own. A run that
    was killed during its first epoch starts again.

    With `tune_threads`, the number of CPU threads is measured before training. `logger` names an
    experiment tracker that gets the rows of the log, too.

    Raises:
        DivergenceError: when the loss is no longer finite; the last good checkpoint stays.
    """
    recipe = resolve_recipe(recipe)
    fabric, task = prepare(recipe, distributed, accelerator)
    state = _start_or_resume(recipe, run_dir, fabric, task, resume=resume)
    show_progress = show_progress and fabric.is_global_zero
    run_log = open_log(recipe, run_dir, state.log, logger)
    with (
        run_log if fabric.is_global_zero else nullcontext() as log,
        TrainingProgress(
            recipe.name, recipe.epochs, task.steps_per_epoch, state.epoch, show_progress
        ) as progress,
    ):
        if tune_threads:
            _set_thread_count(fabric, task, state, progress)
        while state.epoch < recipe.epochs and not _should_stop(recipe, state):
            row = _train_epoch(recipe, task, state.epoch, progress, fabric)
            state.epoch += 1
            improved = _update_early_stopping(task, row, state)
            state.seconds += row["seconds"]
            state.log.append(row)
            # The best one first: after a kill between the two, the epoch is repeated and is the
            # best again. In the other order, `last` would name a best checkpoint that is missing.
            names = ["best.ckpt"] if improved and recipe.early_stop else []
            for name in (*names, "last.ckpt"):
                checkpoint.save_checkpoint(
                    fabric, run_dir / name, recipe, task.checkpoint_state(), vars(state)
                )
            if log is not None:
                log(row)
                task.save_samples(run_dir, state.epoch)
    _load_best(recipe, run_dir, fabric, task)
    first = fabric.is_global_zero
    environment = Environment.load(run_dir) if first else Environment.current()
    return FitResult(task, state.log, state.seconds, environment, first)


def _load_best(recipe: Recipe, run_dir: Path, fabric: Fabric, task: Task) -> None:
    """Load the weights that early stopping selected, if there are any."""
    best = run_dir / "best.ckpt"
    if recipe.early_stop and best.exists():
        checkpoint.load_checkpoint(fabric, best, recipe, task.checkpoint_state())


def _start_or_resume(
    recipe: Recipe, run_dir: Path, fabric: Fabric, task: Task, *, resume: bool
) -> _State:
    last = run_dir / "last.ckpt"
    if fabric.is_global_zero:
        checkpoint.remove_partial_files(run_dir)
    if resume and (last.exists() or not (run_dir / RECIPE_FILE).exists()):
        return _State(**checkpoint.load_checkpoint(fabric, last, recipe, task.checkpoint_state()))
    if last.exists():
        raise RecipeError(f"{run_dir} holds a run already: use --resume, or another --run-dir")
    if recipe.start_from is not None:
        _load_initial_weights(recipe.start_from, task)
    if fabric.is_global_zero:
        _init_run_dir(recipe, run_dir)
    return _State()


def _set_thread_count(
    fabric: Fabric, task: Task, state: _State, progress: TrainingProgress
) -> None:
    """Measure the number of threads, or restore that of a resumed run, whose sums it decides."""
    if fabric.world_size > 1 or fabric.device.type != "cpu":
        return
    if state.threads is None:
        progress.console.print(tune_thread_count(task), soft_wrap=True)
        state.threads = torch.get_num_threads()
    else:
        torch.set_num_threads(state.threads)


def _load_initial_weights(weights: Path, task: Task) -> None:
    if not isinstance(task, SingleNetwork):
        raise RecipeError("start_from is for recipes that train one network")
    task.init_from(load_weights_file(weights).tensors, weights)


def _init_run_dir(recipe: Recipe, run_dir: Path) -> None:
    run_dir.mkdir(parents=True, exist_ok=True)
    resolved = recipe.model_dump(mode="json", by_alias=True)
    (run_dir / RECIPE_FILE).write_text(yaml.safe_dump(resolved, sort_keys=False))
    Environment.current().save(run_dir)


def _train_epoch(
    recipe: Recipe, task: Task, epoch: int, progress: TrainingProgress, fabric: Fabric
) -> dict[str, float]:
    """Train one epoch; return the row of the log."""
    # Random numbers of a step are drawn for the process's own part of the batch.
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
    # All processes use the scores of one, or they could stop at different epochs.
    row = fabric.broadcast(row)
    progress.on_epoch_end(row)
    return row


def _evaluate(task: Task) -> Scores:
    """Evaluate on the validation split, or on the test split where nothing is held out."""
    split: Split = "validation" if task.has_split("validation") else "test"
    return {f"{split}_{name}": score for name, score in task.evaluate(split).items()}


def _check_finite(loss: float, epoch: int, step: int, learning_rate: float) -> None:
    if not math.isfinite(loss):
        raise DivergenceError(
            f"the loss became {loss} in epoch {epoch + 1}, step {step}, at learning rate "
            f"{learning_rate:.2g}. A lower optimizer.lr, schedule.warmup_epochs or clip_norm: 1 "
            "usually helps. --resume continues after the last good epoch only with the same recipe"
        )


def _update_early_stopping(task: Task, row: dict[str, float], state: _State) -> bool:
    """Count the evaluations without improvement. Return whether this one is the best so far."""
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
    """Load a finished or interrupted run, with the weights that it would publish now."""
    fabric, task = prepare(recipe)
    last, networks = run_dir / "last.ckpt", task.checkpoint_state()
    # The last checkpoint holds the whole log, even where an earlier epoch has the best weights.
    state = _State(**checkpoint.load_checkpoint(fabric, last, recipe, networks))
    _load_best(recipe, run_dir, fabric, task)
    return FitResult(task, state.log, state.seconds, Environment.load(run_dir))


def load_adversarial_task(run: Path) -> Adversarial:
    """Load the task of a generator's run, with the networks of its last checkpoint.

    Raises:
        RecipeError: when the run is of another task.
    """
    recipe = load_run_recipe(run)
    if recipe.task.kind != "adversarial":
        raise RecipeError(
            f"{run} is a run of the task {recipe.task.kind}, which generates no images"
        )
    task = restore(recipe, run).task
    if not isinstance(task, Adversarial):
        raise TypeError(type(task))
    return task
