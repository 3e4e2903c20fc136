"""Results of cross-validation: predictions for every photograph by networks not trained on it.

Shapes: N photographs of a fold, K classes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean, stdev

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics.functional.classification import (
    multiclass_calibration_error,
    multiclass_confusion_matrix,
)

from models_store.manifest import Metric


@dataclass(frozen=True)
class Fold:
    """Logits of one fold's held-out photographs by stage, in the order of training."""

    labels_N: Tensor
    logits_NK: dict[str, Tensor]

    def accuracy(self, stage: str) -> float:
        return float((self.logits_NK[stage].argmax(1) == self.labels_N).float().mean())


@dataclass(frozen=True)
class CrossValidation:
    """All folds of a data set. The last stage is the one that is published."""

    title: str
    labels: tuple[str, ...]
    folds: Sequence[Fold]

    @property
    def stages(self) -> list[str]:
        return list(self.folds[0].logits_NK)

    @property
    def n(self) -> int:
        return sum(len(fold.labels_N) for fold in self.folds)

    def accuracy(self, stage: str) -> tuple[float, float]:
        """Return mean and sample standard deviation over folds."""
        scores = [fold.accuracy(stage) for fold in self.folds]
        return mean(scores), stdev(scores)

    def _pooled(self, stage: str) -> tuple[Tensor, Tensor]:
        logits_NK = torch.cat([fold.logits_NK[stage] for fold in self.folds])
        return logits_NK, torch.cat([fold.labels_N for fold in self.folds])

    def confusion_matrix(self, stage: str) -> Tensor:
        """Return counts (K, K) over all photographs: rows are true, columns predicted classes."""
        logits_NK, labels_N = self._pooled(stage)
        return multiclass_confusion_matrix(logits_NK.argmax(1), labels_N, len(self.labels))

    def metrics(self) -> tuple[Metric, ...]:
        """Return the last stage's metrics by plain names, earlier ones by `name/stage`."""
        final_stage = self.stages[-1]
        return tuple(
            metric
            for stage in reversed(self.stages)
            for metric in self._stage_metrics(stage, "" if stage == final_stage else f"/{stage}")
        )

    def _stage_metrics(self, stage: str, suffix: str) -> list[Metric]:
        logits_NK, labels_N = self._pooled(stage)
        nll = float(functional.cross_entropy(logits_NK, labels_N))
        ece = float(
            multiclass_calibration_error(
                logits_NK.softmax(1), labels_N, len(self.labels), n_bins=15
            )
        )
        accuracy, deviation = self.accuracy(stage)
        note = f"{stage}; mean over folds, deviation {deviation:.4f}"
        if stage == self.stages[-1]:
            note += "; the published model was trained the same way, on all photographs"
        pooled_note = f"{stage}; each photograph classified by the network that did not train on it"
        nll_note = f"negative log likelihood, {pooled_note}"
        ece_note = f"expected calibration error, 15 bins, {pooled_note}"
        split = f"cross-validation, {len(self.folds)} folds"
        metric = partial(Metric, dataset=self.title, split=split, n=self.n)
        return [
            metric(name=f"accuracy{suffix}", value=accuracy, note=note),
            metric(name=f"nll{suffix}", value=nll, unit="nats", note=nll_note),
            metric(name=f"ece{suffix}", value=ece, note=ece_note),
        ]

    def write(self, path: Path) -> None:
        """Write the metrics of every fold as JSON."""
        content = {
            "title": self.title,
            "labels": self.labels,
            "folds": [
                {"n": len(fold.labels_N)} | {stage: fold.accuracy(stage) for stage in self.stages}
                for fold in self.folds
            ],
            "confusion": {stage: self.confusion_matrix(stage).tolist() for stage in self.stages},
        }
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
