"""From photographs to a served model: adapt the recipe, cross-validate, train, publish."""

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from models_store.manifest import Metric
from training.config.precision import settled
from training.config.recipe import Recipe, validated
from training.datasets.base import class_counts
from training.datasets.data_dir import located
from training.datasets.image_folder_cv import Photos
from training.datasets.path_redaction import name_of
from training.engine.trainer import Fitted, fit, prepare
from training.errors import DataError, RecipeError
from training.metrics.cross_validation import CrossValidation, Fold
from training.networks.mobilenet import MobileNet
from training.pretrained.mobilenet import LOCAL
from training.publish.publisher import made_by, shelve
from training.publish.spec import Runs
from training.tasks.transfer import Transfer

__all__ = ["FINE_TUNED", "FROZEN", "Transferred", "adapt", "command", "transfer"]

FROZEN, FINE_TUNED = "frozen", "fine-tuned"
_FEW = 10
"""Photographs of a class, below which its figures mean little."""


@dataclass(frozen=True)
class Transferred:
    """What one command did: the version on the shelf, and how good it is."""

    version: Path
    figures: CrossValidation
    seconds: float


def adapt(
    template: Recipe,
    photos: Sequence[Path],
    name: str | None,
    *,
    folds: int,
    frozen_only: bool,
    console: Console,
) -> Recipe:
    """`template` for other photographs: their classes, as many folds as they allow, local weights.

    Without `photos`, for those that the template names.

    Raises:
        DataError: when there are too few photographs or none.
        RecipeError: when the template does not transfer, or the name is none.
    """
    if not isinstance(template.data, Photos) or not isinstance(template.network, MobileNet.Config):
        raise RecipeError(f"recipe {template.name} does not transfer: its data must be photos")
    content = template.model_dump(by_alias=True)
    content["data"] |= {"held_out": None}
    if photos:
        if name is None:
            raise RecipeError("photographs of your own need --name, as which they are served")
        own = {"paths": tuple(path.expanduser().absolute() for path in photos)}
        foreign = ("title", "licence", "source")
        content["data"] = {k: v for k, v in content["data"].items() if k not in foreign} | own
    content["name"] = name or template.name
    validated(content, "transfer")  # a wrong name is told before a thousand photographs are read
    with console.status("reading photographs"):
        data = Photos.model_validate(content["data"]).load()
    counts = class_counts(data.train.labels_N, data.labels)
    console.print(f"{len(data.train)} photographs of {len(counts)} classes: {_listed(counts)}")
    content["data"]["folds"] = _folds(counts, folds, console)
    content["network"] |= {"classes": len(counts)} | _local_weights(template.network)
    content["network"]["frozen"] |= frozen_only
    if photos:
        content["publish"] |= _card(counts)
    return settled(validated(content, "transfer"))


def transfer(
    recipe: Recipe, run_dir: Path, store: Path, *, command: str, console: Console
) -> Transferred:
    """Train and measure both stages on every fold, then train on everything and publish that.

    With `network.frozen` there is no second stage: the head is published on features as they came.
    """
    started = time.perf_counter()
    if not isinstance(recipe.data, Photos) or not isinstance(recipe.network, MobileNet.Config):
        raise RecipeError(f"recipe {recipe.name} does not transfer")
    frozen = recipe.network.frozen
    with console.status("computing the features of every photograph"):
        prepare(recipe)  # for the cache: the folds then find them there
    folds = []
    for held_out in range(recipe.data.folds):
        fitted = _train(_holding_out(recipe, held_out), run_dir, frozen, console)
        folds.append(_fold(fitted.task, frozen))
        scores = [f"{stage} {folds[-1].accuracy(stage):.1%}" for stage in folds[-1].logits_NK]
        console.print(
            f"fold {held_out + 1}/{recipe.data.folds}: {', '.join(scores)} "
            f"of {len(folds[-1].labels_N)} held-out photographs"
        )
    console.print("the model to publish, trained on all photographs")
    fitted = _train(recipe, run_dir, frozen, console)
    task = _transferring(fitted.task)
    figures = CrossValidation(task.data.title, task.data.labels, folds)
    run_dir.mkdir(parents=True, exist_ok=True)
    figures.write(run_dir / "cross-validation.json")
    figures.draw(run_dir / "confusion.png")

    def report(runs: Runs, preview: Path) -> tuple[Metric, ...]:
        del runs  # it has seen every photograph: there is none left to measure it on
        figures.draw(preview)
        return figures.metrics()

    whole = replace(fitted, seconds=time.perf_counter() - started)
    publication = replace(task.publication(), report=report)
    with console.status("exporting and verifying"):
        made = made_by(recipe, whole, command)
        version = shelve(recipe.name, recipe.publish, publication, made, store)
    return Transferred(version, figures, time.perf_counter() - started)


def command(
    photos: Sequence[Path],
    name: str | None,
    folds: int,
    frozen_only: bool,
    recipe: str,
    overrides: Sequence[str],
) -> str:
    """The command line that was given, without the paths of the machine that it was given on."""
    words = ["python", "-m", "training", "transfer", *(name_of(path) for path in photos)]
    words += ["--name", name] if name else []
    words += ["--folds", str(folds), *(["--frozen-only"] if frozen_only else [])]
    words += ["--recipe", Path(recipe).name]
    for override in overrides:
        key, _, value = override.partition("=")
        own = value.startswith(("/", "~"))
        words += ["--set", f"{key}={Path(value).name}" if own else override]
    return shlex.join(words)


def _folds(counts: dict[str, int], wanted: int, console: Console) -> int:
    rarest, count = min(counts.items(), key=lambda item: item[1])
    if count < 2:
        raise DataError(
            f"class {rarest!r} has {count} photograph: two are needed, one to learn from and one "
            f"to be tested on; {_FEW} or more make the figures mean something"
        )
    if count < wanted:
        console.print(f"{count} folds, not {wanted}: class {rarest!r} has {count} photographs")
    if count < _FEW:
        console.print(
            f"class {rarest!r} has {count} photographs: take the figures as a rough guess"
        )
    return min(wanted, count)


def _local_weights(network: MobileNet.Config) -> dict[str, Any]:
    """Settings for weights that lie in the cache under their well-known name, if they do."""
    if network.weights == "random" or network.weights_path or not located(LOCAL).is_file():
        return {}
    return {"weights_path": LOCAL, "padding": "tf-same", "scaling": "symmetric"}


def _card(counts: dict[str, int]) -> dict[str, str]:
    classes = ", ".join(counts)
    return {
        "summary": f"Says which of {len(counts)} classes a photograph shows: {classes}.",
        "intended_use": "Photographs like those that it was trained on.",
        "limits": (
            f"It has seen {sum(counts.values())} photographs ({_listed(counts)}) and knows "
            "no other answer: whatever else a picture shows is called one of these, often with "
            "confidence."
        ),
        "licence": "the maker's to choose; the ImageNet weights it started from have their own",
    }


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _holding_out(recipe: Recipe, fold: int) -> Recipe:
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"held_out": fold})})


def _train(recipe: Recipe, run_dir: Path, frozen: bool, console: Console) -> Fitted:
    """The head, and unless `frozen` every weight, on what the recipe does not hold out."""
    if frozen:
        return Fitted(prepare(recipe)[1], [], 0.0)
    held_out = getattr(recipe.data, "held_out", None)
    folder = run_dir / ("all" if held_out is None else f"fold-{held_out + 1}")
    fitted = fit(recipe, folder, show=not console.quiet)
    if held_out is not None:
        (folder / "last.ckpt").unlink()  # 27 MB that nobody will resume
    return fitted


def _fold(task: object, frozen: bool) -> Fold:
    own = _transferring(task)
    logits_NK = {FROZEN: own.frozen_logits_NK}
    if not frozen:
        # In the precision that is served, not in the one that was trained in.
        with torch.inference_mode():
            logits_NK[FINE_TUNED], _ = own.predict(own.published_network().eval(), own.data.test)
    return Fold(own.data.test.labels_N, logits_NK)


def _transferring(task: object) -> Transfer:
    if not isinstance(task, Transfer):
        raise RecipeError(f"the recipe's task must be transfer, not {type(task).__name__}")
    return task
