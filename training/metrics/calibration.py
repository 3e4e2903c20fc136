"""Reliability of predicted probabilities, and temperature scaling.

Guo et al. 2017, "On Calibration of Modern Neural Networks", arXiv 1706.04599.

Shapes: N examples, K classes, S bins.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

BINS = 15


@dataclass(frozen=True)
class Reliability:
    """Accuracy and mean confidence (the highest probability) in bins of equal width."""

    confidence_S: Tensor
    """Mean confidence per bin; NaN where a bin is empty."""
    accuracy_S: Tensor
    share_S: Tensor
    """Share of all examples per bin."""

    @property
    def expected_calibration_error(self) -> float:
        """Expected calibration error: the mean gap, weighted by the share (equation 3)."""
        gaps_S = (self.confidence_S - self.accuracy_S).abs().nan_to_num()
        return float((gaps_S * self.share_S).sum())


def compute_reliability(
    probabilities_NK: Tensor, labels_N: Tensor, bins: int = BINS
) -> Reliability:
    """Compute the reliability in `bins` equal bins of confidence, upper ends included."""
    confidence_N, predicted_N = probabilities_NK.double().max(1)
    correct_N = (predicted_N == labels_N).double()
    bin_N = (confidence_N * bins).ceil().long().sub(1).clamp(0, bins - 1)
    count_S = torch.bincount(bin_N, minlength=bins)
    return Reliability(
        torch.bincount(bin_N, confidence_N, bins) / count_S,
        torch.bincount(bin_N, correct_N, bins) / count_S,
        count_S / len(labels_N),
    )


def fit_temperature(logits_NK: Tensor, labels_N: Tensor) -> float:
    """Return the T for which softmax(logits / T) has the lowest negative log likelihood (4.2)."""
    logits_NK = logits_NK.double()
    log_temperature = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_temperature], max_iter=50, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = functional.cross_entropy(logits_NK / log_temperature.exp(), labels_N)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return float(log_temperature.detach().exp())


def cross_fit_temperature(logits_NK: Tensor, labels_N: Tensor) -> tuple[Tensor, float]:
    """Return cross-fitted calibrated probabilities (N, K), and the mean temperature.

    Even and odd examples are each scaled by the temperature fitted on the other half, so that all
    are measured and none is measured with a temperature fitted on it.
    """
    probabilities_NK = torch.empty_like(logits_NK, dtype=torch.float64)
    temperatures = []
    for half in (0, 1):
        own, other = slice(half, None, 2), slice(1 - half, None, 2)
        temperatures.append(fit_temperature(logits_NK[other], labels_N[other]))
        probabilities_NK[own] = (logits_NK[own].double() / temperatures[-1]).softmax(1)
    return probabilities_NK, sum(temperatures) / 2
