"""Distances between two sets of images, computed from features (N, D) of both.

The caller chooses the network that computes the features, and reports it with the metric.
"""

from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import poly_mmd

from training.errors import DataError

_SUBSETS, _SUBSET_SIZE = 50, 1000
_NEIGHBOURS = 3


class _PrecomputedFeatures(nn.Module):
    """An identity module for precomputed features, where torchmetrics expects a network."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features_ND: Tensor) -> Tensor:
        return features_ND


class PrecisionRecall(NamedTuple):
    """Precision and recall, both between 0 and 1."""

    precision: float
    """Share of generated images within the region of real ones (fidelity)."""
    recall: float
    """Share of real images within the region of generated ones (diversity)."""


def frechet_distance(real_ND: Tensor, generated_ND: Tensor) -> float:
    """Return the Fréchet distance (Heusel et al. 2017, arXiv 1706.08500, equation 6).

    It is biased: fewer images give a larger distance. Compare only values of equal counts.
    """
    _check_set_sizes(real_ND, generated_ND)
    metric = FrechetInceptionDistance(_PrecomputedFeatures(real_ND.shape[1]))
    metric.update(real_ND.double(), real=True)
    metric.update(generated_ND.double(), real=False)
    return float(metric.compute())


def kernel_distance(real_ND: Tensor, generated_ND: Tensor, seed: int = 0) -> float:
    """Return the unbiased squared MMD with the kernel (x·y / D + 1)³.

    It is the mean over 50 random subsets of at most 1,000 images (Bińkowski et al. 2018, arXiv
    1801.01401, section 4), and can be slightly negative.
    """
    _check_set_sizes(real_ND, generated_ND)
    random = Generator().manual_seed(seed)
    size = min(_SUBSET_SIZE, len(real_ND), len(generated_ND))

    def random_subset(features_ND: Tensor) -> Tensor:
        return features_ND[torch.randperm(len(features_ND), generator=random)[:size]].double()

    distances = [
        poly_mmd(random_subset(real_ND), random_subset(generated_ND)) for _ in range(_SUBSETS)
    ]
    return float(torch.stack(distances).mean())


def precision_recall(real_ND: Tensor, generated_ND: Tensor) -> PrecisionRecall:
    """Compute precision and recall of Kynkäänniemi et al. 2019 (arXiv 1904.06991), k = 3.

    A set's region is the union of balls around its images, each with the distance to the third
    nearest other image as its radius (section 2).
    """
    _check_set_sizes(real_ND, generated_ND)
    return PrecisionRecall(
        _coverage(generated_ND, reference_ND=real_ND), _coverage(real_ND, reference_ND=generated_ND)
    )


def _coverage(features_ND: Tensor, reference_ND: Tensor) -> float:
    radii = (
        torch.cdist(reference_ND, reference_ND).kthvalue(_NEIGHBOURS + 1, dim=1).values
    )  # the nearest image is the image itself
    covered = [
        (torch.cdist(part, reference_ND) <= radii).any(1) for part in torch.split(features_ND, 1000)
    ]
    return float(torch.cat(covered).float().mean())


def _check_set_sizes(real_ND: Tensor, generated_ND: Tensor) -> None:
    smallest = min(len(real_ND), len(generated_ND))
    if smallest <= _NEIGHBOURS:
        raise DataError(
            f"{smallest} images are too few to compare sets by: more than {_NEIGHBOURS} are needed"
        )
