import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from training.metrics.cross_validation import CrossValidation, Fold
from training.plots.classifiers import draw_cross_validation


def _logits(*classes: int) -> Tensor:
    """Return logits of these classes, with probability 1 / (1 + 2 / e²) = 0.787 each."""
    return 2 * torch.nn.functional.one_hot(torch.tensor(classes), 3).float()


@pytest.fixture
def figures() -> CrossValidation:
    folds = [
        Fold(
            torch.tensor([0, 1, 2, 2]),
            {"frozen": _logits(0, 0, 0, 2), "fine-tuned": _logits(0, 1, 2, 1)},
        ),
        Fold(torch.tensor([0, 1]), {"frozen": _logits(0, 1), "fine-tuned": _logits(0, 1)}),
    ]
    return CrossValidation("shapes", ("dots", "boxes", "bars"), folds)


def test_accuracy_is_the_mean_over_folds_with_their_deviation(figures: CrossValidation) -> None:
    # 2 of 4 and 2 of 2; the sample deviation of a and b is |a - b| / √2.
    assert figures.accuracy("frozen") == pytest.approx((0.75, 0.5 / 2**0.5))
    assert figures.accuracy("fine-tuned") == pytest.approx((0.875, 0.25 / 2**0.5))
    assert figures.n == 6


def test_confusions_are_counted_by_truth_and_answer(figures: CrossValidation) -> None:
    assert figures.confusion_matrix("frozen").tolist() == [[2, 0, 0], [1, 1, 0], [1, 0, 1]]
    assert figures.confusion_matrix("fine-tuned").tolist() == [[2, 0, 0], [0, 2, 0], [0, 1, 1]]


def test_the_last_stage_has_the_plain_names(figures: CrossValidation) -> None:
    metrics = {metric.name: metric for metric in figures.metrics()}
    assert list(metrics) == [
        "accuracy", "nll", "ece", "accuracy/frozen", "nll/frozen", "ece/frozen",
    ]  # fmt: skip
    assert metrics["accuracy"].value == pytest.approx(0.875)
    assert metrics["accuracy/frozen"].value == pytest.approx(0.75)
    assert "deviation 0.1768" in metrics["accuracy"].note
    for metric in metrics.values():
        assert (metric.dataset, metric.n) == ("shapes", 6)
        assert metric.split == "cross-validation, 2 folds"


def test_likelihood_and_calibration_are_over_all_photographs(figures: CrossValidation) -> None:
    metrics = {metric.name: metric.value for metric in figures.metrics()}
    # By hand: p of the label is e² / (e² + 2) where correct, 1 / (e² + 2) where wrong.
    assert metrics["nll"] == pytest.approx((5 * 0.239643 + 2.239643) / 6, abs=1e-4)
    # One bin: confidence 0.786986 against 5 of 6 right.
    assert metrics["ece"] == pytest.approx(5 / 6 - 0.786986, abs=1e-4)


def test_written_metrics_can_be_read(figures: CrossValidation, tmp_path: Path) -> None:
    figures.write(tmp_path / "figures.json")
    content = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert content["folds"][0] == {"n": 4, "frozen": 0.5, "fine-tuned": 0.75}
    assert content["confusion"]["frozen"][1] == [1, 1, 0]
    draw_cross_validation(figures, tmp_path / "confusion.png")
    with Image.open(tmp_path / "confusion.png") as image:
        assert min(image.size) > 100
