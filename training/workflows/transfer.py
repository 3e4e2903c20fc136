"""Fine-tune a model on photographs: adapt the recipe, cross-validate, train, publish."""

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from models_store.manifest import Metric
from training.config.recipe import RECIPE_FILE, Recipe, resolve_recipe, validate_recipe
from training.datasets.base import class_counts
from training.datasets.data_dir import folder_name, resolve_data_path
from training.datasets.image_folder import ImageFolderCV
from training.engine.trainer import FitResult, fit, prepare
from training.errors import DataError, RecipeError
from training.metrics.cross_validation import CrossValidation, Fold
from training.networks.mobilenet import MobileNet
from training.plots.classifiers import draw_cross_validation
from training.pretrained.mobilenet import LOCAL_WEIGHTS
from training.publish.publisher import build_provenance, publish_model
from training.publish.spec import GraphFns
from training.publish.tasks.classification import transfer_spec
from training.tasks.classification import Transfer

FROZEN, FINE_TUNED = "frozen", "fine-tuned"
_MIN_RECOMMENDED_PHOTOS = 10
"""Number of photographs of a class below which its metrics are unreliable."""


@dataclass(frozen=True)
class TransferResult:
    """The published version and its cross-validation."""

    version: Path
    cross_validation: CrossValidation
    seconds: float


def adapt_recipe(
    template: Recipe,
    photos: Sequence[Path],
    name: str | None,
    *,
    folds: int,
    frozen_only: bool,
    console: Console,
) -> Recipe:
    """Adapt `template` to other photographs: their classes, number of folds, and local weights.

    Without `photos`, the template's own are used.

    Raises:
        DataError: when there are too few photographs.
        RecipeError: when the template is of another task, or the name is not valid.
    """
    _, network = _require_photos(template)
    content = template.model_dump(by_alias=True)
    content["data"] |= {"held_out": None}
    if photos:
        if name is None:
            raise RecipeError("--name is required with your own photographs")
        content["data"]["paths"] = tuple(path.expanduser().absolute() for path in photos)
        for key in ("title", "licence", "source"):  # those of the template's photographs
            del content["data"][key]
    content["name"] = name or template.name
    # Report an invalid name before the photographs are read.
    validate_recipe(content, "transfer")
    with console.status("reading photographs"):
        data = ImageFolderCV.model_validate(content["data"]).load()
    counts = class_counts(data.train.labels_N, data.labels)
    console.print(
        f"{len(data.train)} photographs of {len(counts)} classes: {_format_counts(counts)}"
    )
    content["data"]["folds"] = _choose_fold_count(counts, folds, console)
    content["network"] |= {"classes": len(counts)} | _local_weights_settings(network)
    content["network"]["frozen"] |= frozen_only
    if photos:
        content["publish"] |= _model_card(counts)
    return resolve_recipe(validate_recipe(content, "transfer"))


def transfer(
    recipe: Recipe,
    run_dir: Path,
    store: Path,
    *,
    command: str,
    console: Console,
    resume: bool = False,
) -> TransferResult:
    """Train and measure both stages on every fold, then train on all photographs and publish.

    With `network.frozen` there is no second stage: only the head is trained. With `resume`, folds
    of `run_dir` that are finished are only measured, and an unfinished one is continued.

    Raises:
        CheckpointError: when another recipe wrote the folds to resume.
    """
    started = time.perf_counter()
    data, network = _require_photos(recipe)
    frozen = network.frozen
    with console.status("computing the features of every photograph"):
        prepare(recipe)  # fills the cache for the folds
    folds = []
    for held_out in range(data.folds):
        fold = data.model_copy(update={"held_out": held_out})
        fold_recipe = recipe.model_copy(update={"data": fold})
        result = _train(fold_recipe, run_dir, frozen, console, resume=resume)
        folds.append(_evaluate_fold(result.task, frozen))
        scores = [f"{stage} {folds[-1].accuracy(stage):.1%}" for stage in folds[-1].logits_NK]
        console.print(
            f"fold {held_out + 1}/{data.folds}: {', '.join(scores)} "
            f"of {len(folds[-1].labels_N)} held-out photographs"
        )
    console.print("the model to publish, trained on all photographs")
    result = _train(recipe, run_dir, frozen, console, resume=resume)
    task = _require_transfer(result.task)
    cross_validation = CrossValidation(task.data.title, task.data.labels, folds)
    run_dir.mkdir(parents=True, exist_ok=True)
    cross_validation.write(run_dir / "cross-validation.json")
    draw_cross_validation(cross_validation, run_dir / "confusion.png")

    def report(runs: GraphFns, preview: Path) -> tuple[Metric, ...]:
        del runs  # no photograph is left to measure the published graph on
        draw_cross_validation(cross_validation, preview)
        return cross_validation.metrics()

    timed_result = replace(result, seconds=time.perf_counter() - started)
    spec = replace(transfer_spec(task, recipe), report=report)
    with console.status("exporting and verifying"):
        model_provenance = build_provenance(recipe, timed_result, command)
        version = publish_model(recipe.name, recipe.publish, spec, model_provenance, store)
    for checkpoint in run_dir.glob("fold-*/last.ckpt"):
        checkpoint.unlink()  # 27 MB each, and no longer needed to resume
    return TransferResult(version, cross_validation, time.perf_counter() - started)


def transfer_command(
    photos: Sequence[Path],
    name: str | None,
    folds: int,
    frozen_only: bool,
    recipe: str,
    overrides: Sequence[str],
) -> str:
    """Return the command line without the paths of this machine."""
    words = ["deepshelf", "train", "transfer", *(folder_name(path) for path in photos)]
    words += ["--name", name] if name else []
    words += ["--folds", str(folds), *(["--frozen-only"] if frozen_only else [])]
    words += ["--recipe", Path(recipe).name]
    for override in overrides:
        key, _, value = override.partition("=")
        is_local_path = value.startswith(("/", "~"))
        words += ["--set", f"{key}={Path(value).name}" if is_local_path else override]
    return shlex.join(words)


def _require_photos(recipe: Recipe) -> tuple[ImageFolderCV, MobileNet.Config]:
    if isinstance(recipe.data, ImageFolderCV) and isinstance(recipe.network, MobileNet.Config):
        return recipe.data, recipe.network
    raise RecipeError(
        f"recipe {recipe.name} does not fine-tune: its data must be of the kind photos"
    )


def _choose_fold_count(counts: dict[str, int], requested: int, console: Console) -> int:
    rarest, count = min(counts.items(), key=lambda item: item[1])
    if count < 2:
        raise DataError(
            f"class {rarest!r} has {count} photograph: at least two are needed, to train and "
            f"to test; {_MIN_RECOMMENDED_PHOTOS} or more are recommended"
        )
    if count < requested:
        console.print(f"{count} folds, not {requested}: class {rarest!r} has {count} photographs")
    if count < _MIN_RECOMMENDED_PHOTOS:
        console.print(
            f"class {rarest!r} has {count} photographs: the figures are only a rough estimate"
        )
    return min(requested, count)


def _local_weights_settings(network: MobileNet.Config) -> dict[str, Any]:
    """Return settings for the weights in the cache, if there are any."""
    chosen = network.weights == "random" or network.weights_path
    if chosen or not resolve_data_path(LOCAL_WEIGHTS).is_file():
        return {}
    return {"weights_path": LOCAL_WEIGHTS, "padding": "tf-same", "scaling": "symmetric"}


def _model_card(counts: dict[str, int]) -> dict[str, str]:
    classes = ", ".join(counts)
    return {
        "summary": f"Classifies photographs into {len(counts)} classes: {classes}.",
        "intended_use": "Photographs like those it was trained on.",
        "limits": (
            f"Trained on {sum(counts.values())} photographs ({_format_counts(counts)}). It knows "
            "no other class: anything else is classified as one of these, often with confidence."
        ),
        "licence": "for the publisher to choose; the ImageNet weights have one of their own",
    }


def _format_counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _train(
    recipe: Recipe, run_dir: Path, frozen: bool, console: Console, *, resume: bool
) -> FitResult:
    """Train the head and, unless `frozen`, every weight on all but the held-out fold."""
    if frozen:
        return FitResult(prepare(recipe)[1], [], 0.0)
    held_out = getattr(recipe.data, "held_out", None)
    folder = run_dir / ("all" if held_out is None else f"fold-{held_out + 1}")
    # Later folds use the number of threads that the first one measured.
    return fit(
        recipe,
        folder,
        resume=resume and (folder / RECIPE_FILE).exists(),
        show_progress=not console.quiet,
        tune_threads=held_out == 0,
    )


def _evaluate_fold(task: object, frozen: bool) -> Fold:
    task = _require_transfer(task)
    test, logits_NK = task.data.test, {FROZEN: task.frozen_logits_NK}
    if not frozen:
        # In the precision of serving, not of training.
        with torch.inference_mode():
            logits_NK[FINE_TUNED], _ = task.predict(task.network_to_publish().eval(), test)
    return Fold(test.labels_N, logits_NK)


def _require_transfer(task: object) -> Transfer:
    if not isinstance(task, Transfer):
        raise RecipeError(f"the recipe's task must be transfer, got {type(task).__name__}")
    return task
