"""How trained classifiers are published as one: a graph of all of them, and what it gains.

Deep ensembles: networks that differ in their seed alone, probabilities averaged
(Lakshminarayanan et al. 2017, arXiv 1612.01474, section 2.4).

Shapes: N pictures, M members, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from models_store.manifest import Metric
from models_store.verify import Run
from training.datasets.base import ImageData, ImageSplit
from training.errors import RecipeError
from training.metrics.calibration import cross_fitted, reliability
from training.plots.reliability import draw_ensemble
from training.publish.onnx.graphs import EnsembleGraph
from training.publish.spec import Publication
from training.publish.tasks.classification import BATCH, publication

if TYPE_CHECKING:
    from training.tasks.classification import Classification

__all__ = ["ensemble_publication"]


@dataclass(frozen=True)
class _Figures:
    """What is said of one classifier."""

    accuracy: float
    nll: float
    ece: float


def ensemble_publication(members: Sequence["Classification"]) -> Publication:
    """One graph of all `members`, measured against each of them on their common test set.

    Raises:
        RecipeError: fewer than two, or they were not trained and tested on the same data.
    """
    if len(members) < 2:
        raise RecipeError(f"an ensemble has two members or more, not {len(members)}")
    first = members[0].data
    for member in members[1:]:
        _check_alike(first, member.data)
    singles = [publication(member) for member in members]
    graph = replace(
        singles[0].graphs[0],
        module=EnsembleGraph([single.graphs[0].module for single in singles]),
        outputs=("probabilities", "members"),
    )
    return replace(
        singles[0],
        graphs=(graph,),
        report=lambda runs, preview: _report(runs["model"], first, preview),
    )


def _check_alike(one: ImageData, other: ImageData) -> None:
    if one.labels != other.labels:
        raise RecipeError(
            f"members must know the same classes: one of {one.title} has "
            f"{', '.join(one.labels[:10])}; one of {other.title} has {', '.join(other.labels[:10])}"
        )
    if one.test.sha256 != other.test.sha256:
        raise RecipeError(
            f"members must be tested on the same pictures: {one.title} and {other.title} have "
            "other test sets"
        )


def _answers(run: Run, split: ImageSplit) -> tuple[Tensor, Tensor]:
    """Mean (N, K) and members' (N, M, K) probabilities, by the published graph."""
    images_NHWC = split.images_NCHW.permute(0, 2, 3, 1)
    outputs = [run({"images": images.numpy()}) for images in torch.split(images_NHWC, BATCH)]
    mean_NK = torch.from_numpy(np.concatenate([o["probabilities"] for o in outputs]))
    members_NMK = torch.from_numpy(np.concatenate([o["members"] for o in outputs]))
    return mean_NK, members_NMK


def _figures(probabilities_NK: Tensor, labels_N: Tensor) -> _Figures:
    chosen_N = probabilities_NK[torch.arange(len(labels_N)), labels_N].double()
    return _Figures(
        float((probabilities_NK.argmax(1) == labels_N).double().mean()),
        -float(chosen_N.clamp_min(1e-12).log().mean()),
        reliability(probabilities_NK, labels_N).error,
    )


def _report(run: Run, data: ImageData, preview: Path) -> tuple[Metric, ...]:
    labels_N = data.test.labels_N
    mean_NK, members_NMK = _answers(run, data.test)
    together = _figures(mean_NK, labels_N)
    singles = [_figures(member_NK, labels_N) for member_NK in members_NMK.unbind(1)]
    best = max(range(len(singles)), key=lambda index: singles[index].accuracy)
    # Logarithms of probabilities are logits: they differ by a constant, which a softmax ignores.
    scaled_NK, temperature = cross_fitted(members_NMK[:, best].clamp_min(1e-12).log(), labels_N)
    scaled = _figures(scaled_NK, labels_N)
    draw_ensemble(
        [single.accuracy for single in singles],
        together.accuracy,
        {
            "best member": reliability(members_NMK[:, best], labels_N),
            "best member, scaled": reliability(scaled_NK, labels_N),
            "all together": reliability(mean_NK, labels_N),
        },
        f"{data.title}, test: {together.accuracy:.2%} right",
        preview,
    )
    deviation = stdev(single.accuracy for single in singles)
    mean = _Figures(*(fmean(getattr(s, name) for s in singles) for name in _NAMES))
    return (
        *_metrics(data, "", together, f"probabilities of {len(singles)} networks, averaged"),
        *_metrics(data, "/mean-member", mean, f"deviation of the accuracy {deviation:.4f}"),
        *_metrics(data, "/best-member", singles[best], "chosen by this very accuracy"),
        *_metrics(
            data, "/best-member-scaled", scaled,
            f"temperature {temperature:.3f}, each half's by the other half",
        ),
    )  # fmt: skip


_NAMES = ("accuracy", "nll", "ece")


def _metrics(data: ImageData, suffix: str, figures: _Figures, note: str) -> list[Metric]:
    return [
        Metric(
            name=f"{name}{suffix}",
            value=getattr(figures, name),
            unit="nats" if name == "nll" else "",
            dataset=data.title,
            split="test",
            n=len(data.test),
            note=note,
        )
        for name in _NAMES
    ]
