"""The log of a run: always a CSV file, and with `--logger` an experiment tracker, too.

Fabric has a logger for TensorBoard. Those for MLflow and Weights & Biases implement its interface.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from lightning_fabric.loggers.logger import Logger
from lightning_fabric.loggers.tensorboard import TensorBoardLogger

from training.config.recipe import Recipe
from training.engine.csv_logger import write_log
from training.errors import TrainingError

LoggerKind = Literal["tensorboard", "mlflow", "wandb"]

_PROJECT = "deepshelf"
"""Name of the experiment in MLflow and of the project in Weights & Biases."""


@contextmanager
def open_log(
    recipe: Recipe, run_dir: Path, rows: list[dict[str, float]], kind: LoggerKind | None
) -> Iterator[Callable[[dict[str, float]], None]]:
    """Yield a function that logs the row of an epoch. `rows` are those of a resumed run so far.

    Raises:
        TrainingError: the tracker's package is not installed.
    """
    path, logged = run_dir / "metrics.csv", list(rows)
    tracker = None if kind is None else _create_tracker(kind, recipe, run_dir, rows)
    if rows:
        write_log(path, rows)
    else:
        path.unlink(missing_ok=True)

    def log(row: dict[str, float]) -> None:
        logged.append(row)
        write_log(path, logged)
        if tracker is not None:
            tracker.log_metrics(row, int(row["epoch"]))

    status = "failed"
    try:
        yield log
        status = "success"
    finally:
        if tracker is not None:
            tracker.finalize(status)


def _create_tracker(
    kind: LoggerKind, recipe: Recipe, run_dir: Path, rows: list[dict[str, float]]
) -> Logger:
    try:
        match kind:
            case "tensorboard":
                tracker: Logger = TensorBoardLogger(run_dir, "tensorboard", version="")
            case "mlflow":
                tracker = _MLflowLogger(recipe.name)
            case "wandb":
                tracker = _WandbLogger(recipe.name, run_dir)
    except ModuleNotFoundError as error:
        raise TrainingError(f"--logger {kind} needs a package: pip install {kind}") from error
    tracker.log_hyperparams(recipe.model_dump(mode="json", by_alias=True))
    for row in rows:
        tracker.log_metrics(row, int(row["epoch"]))
    return tracker


class _MLflowLogger(Logger):
    """Logs to the server of MLFLOW_TRACKING_URI, by default a database in the current folder."""

    name = _PROJECT
    version = None

    def __init__(self, name: str) -> None:
        import mlflow

        self._mlflow = mlflow
        mlflow.set_experiment(_PROJECT)
        mlflow.start_run(run_name=name)

    def log_hyperparams(self, params: Any, *_: Any, **__: Any) -> None:
        """Log nested fields of the recipe as JSON: MLflow's parameters are flat."""
        self._mlflow.log_params({key: json.dumps(value) for key, value in params.items()})

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self._mlflow.log_metrics(metrics, step)

    def finalize(self, status: str) -> None:
        self._mlflow.end_run("FINISHED" if status == "success" else "FAILED")


class _WandbLogger(Logger):
    """Logs to Weights & Biases; WANDB_MODE=offline keeps the run in its folder."""

    name = _PROJECT
    version = None

    def __init__(self, name: str, run_dir: Path) -> None:
        import wandb

        self._run = wandb.init(project=_PROJECT, name=name, dir=run_dir)

    def log_hyperparams(self, params: Any, *_: Any, **__: Any) -> None:
        self._run.config.update(dict(params))

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self._run.log(metrics, step)

    def finalize(self, status: str) -> None:
        self._run.finish(0 if status == "success" else 1)
