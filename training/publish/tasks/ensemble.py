"""Publish several trained classifiers as one graph, and measure the gain.

Deep ensembles average the probabilities of networks that differ only in their seed
(Lakshminarayanan et al. 2017, arXiv 1612.01474, section 2.4).

Shapes: N images, M members, K classes.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import fmean, stdev

import torch
from torch import Tensor, nn

from models_store.manifest import Metric
from models_store.verify import GraphFn
from training.config.recipe import Recipe
from training.datasets.base import ImageData, ImageSplit
from training.errors import RecipeError
from training.metrics.calibration import (
    compute_reliability,
    cross_fit_temperature,
    fit_temperature,
)
from training.plots.classifiers import draw_ensemble
from training.publish.onnx.graphs import EnsembleGraph
from training.publish.spec import ExportSpec, run_in_batches
from training.publish.tasks.classification import BATCH, classification_spec, temperature_note
from training.tasks.classification import Classification


def ensemble_export_spec(members: Sequence[tuple[Classification, Recipe]]) -> ExportSpec:
    """Describe one graph of all `members`, measured against each of them on their test set.

    Raises:
        RecipeError: when there are fewer than two members, or their classes or test sets differ.
    """
    if len(members) < 2:
        raise RecipeError(f"an ensemble needs two members or more, got {len(members)}")
    first = members[0][0].data
    for member, _ in members[1:]:
        _check_compatible(first, member.data)
    member_specs = [classification_spec(member, recipe) for member, recipe in members]
    modules = [single.graphs[0].module for single in member_specs]
    temperature = _temperature(members, modules)
    graph = replace(
        member_specs[0].graphs[0],
        module=EnsembleGraph(modules, temperature),
        outputs=("probabilities", "members"),
    )
    return replace(
        member_specs[0],
        graphs=(graph,),
        report=lambda runs, preview: _measure_and_draw(runs["model"], first, preview, temperature),
    )


def _check_compatible(first: ImageData, other: ImageData) -> None:
    if first.labels != other.labels:
        raise RecipeError(
            f"members must have the same classes: one of {first.title} has "
            f"{', '.join(first.labels[:10])}; one of {other.title} has "
            f"{', '.join(other.labels[:10])}"
        )
    if first.test.sha256 != other.test.sha256:
        raise RecipeError(
            f"members must have the same test images: {first.title} and {other.title} have "
            "different test sets"
        )


def _temperature(
    members: Sequence[tuple[Classification, Recipe]], modules: Sequence[nn.Module]
) -> float:
    """Return the mean's temperature, fitted on held-out images; 1 unless all recipes calibrate."""
    if not all(recipe.publish.calibrate for _, recipe in members):
        return 1.0
    held_out, *others = (task.split("validation") for task, _ in members)
    if any(other.sha256 != held_out.sha256 for other in others):
        raise RecipeError(
            "members must hold out the same images: calibration needs images that none trained on"
        )
    graph = EnsembleGraph(modules).eval()
    with torch.no_grad():
        means = [graph(batch)[0] for batch in torch.split(_channels_last(held_out), BATCH)]
    return fit_temperature(torch.cat(means).log(), held_out.labels_N)


def _channels_last(split: ImageSplit) -> Tensor:
    return split.images_NCHW.permute(0, 2, 3, 1)


def _score(probabilities_NK: Tensor, labels_N: Tensor) -> dict[str, float]:
    likelihoods_N = probabilities_NK[torch.arange(len(labels_N)), labels_N].double()
    return {
        "accuracy": float((probabilities_NK.argmax(1) == labels_N).double().mean()),
        "nll": -float(likelihoods_N.clamp_min(1e-12).log().mean()),
        "ece": compute_reliability(probabilities_NK, labels_N).expected_calibration_error,
    }


def _measure_and_draw(
    run: GraphFn, data: ImageData, preview: Path, temperature: float
) -> tuple[Metric, ...]:
    labels_N = data.test.labels_N
    outputs = run_in_batches(run, "images", _channels_last(data.test))
    mean_NK, members_NMK = outputs["probabilities"], outputs["members"]
    ensemble = _score(mean_NK, labels_N)
    individual = [_score(member_NK, labels_N) for member_NK in members_NMK.unbind(1)]
    accuracies = [scores["accuracy"] for scores in individual]
    best = accuracies.index(max(accuracies))
    diagrams = {"best member": compute_reliability(members_NMK[:, best], labels_N)}
    scaled: list[Metric] = []
    if temperature == 1:
        scaled_NK, scaled = _cross_fitted(data, members_NMK[:, best])
        diagrams["best member, scaled"] = compute_reliability(scaled_NK, labels_N)
    diagrams["ensemble"] = compute_reliability(mean_NK, labels_N)
    title = f"{data.title}, test: {ensemble['accuracy']:.2%} correct"
    draw_ensemble(accuracies, ensemble["accuracy"], diagrams, title, preview)
    mean = {name: fmean(scores[name] for scores in individual) for name in ensemble}
    note = f"probabilities of {len(individual)} networks, averaged"
    return (
        *_metrics(data, "", ensemble, note + temperature_note(temperature, data)),
        *_metrics(data, "/mean-member", mean, f"deviation of the accuracy {stdev(accuracies):.4f}"),
        *_metrics(data, "/best-member", individual[best], "chosen by this very accuracy"),
        *scaled,
    )


def _cross_fitted(data: ImageData, member_NK: Tensor) -> tuple[Tensor, list[Metric]]:
    """Return an uncalibrated member's logits with cross-fitted temperature, and their metrics."""
    # Logarithms of probabilities are logits: they differ by a constant, which a softmax ignores.
    logits_NK = member_NK.clamp_min(1e-12).log()
    scaled_NK, temperature = cross_fit_temperature(logits_NK, data.test.labels_N)
    note = f"temperature {temperature:.3f}, each half's by the other half"
    scores = _score(scaled_NK, data.test.labels_N)
    return scaled_NK, _metrics(data, "/best-member-scaled", scores, note)


def _metrics(data: ImageData, suffix: str, scores: dict[str, float], note: str) -> list[Metric]:
    metric = partial(Metric, dataset=data.title, split="test", n=len(data.test), note=note)
    return [
        metric(name=f"{name}{suffix}", value=value, unit="nats" if name == "nll" else "")
        for name, value in scores.items()
    ]
