"""How far one set of images is from another, by features (N, D) of both.

Of which network the features are is the caller's business, and must be said beside the figure.
"""

from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import poly_mmd

from training.errors import DataError

__all__ = ["PrecisionRecall", "frechet_distance", "kernel_distance", "precision_recall"]

_SUBSETS, _SUBSET_SIZE = 50, 1000
_NEIGHBOURS = 3


class _PrecomputedFeatures(nn.Module):
    """Features that are there already, where torchmetrics wants the network that makes them."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features_ND: Tensor) -> Tensor:
        return features_ND


class PrecisionRecall(NamedTuple):
    """Both between 0 and 1."""

    precision: float
    """The share of drawn images that lie where real ones do: how good they look."""
    recall: float
    """The share of real images that lie where drawn ones do: how much of the variety is there."""


def frechet_distance(real_ND: Tensor, generated_ND: Tensor) -> float:
    """Between normal distributions fitted to both (Heusel et al. 2017, arXiv 1706.08500, eq. 6).

    It is biased: fewer images, larger distance. Compare only what was measured with as many.
    """
    _check_set_sizes(real_ND, generated_ND)
    metric = FrechetInceptionDistance(_PrecomputedFeatures(real_ND.shape[1]))
    metric.update(real_ND.double(), real=True)
    metric.update(generated_ND.double(), real=False)
    return float(metric.compute())


def kernel_distance(real_ND: Tensor, generated_ND: Tensor, seed: int = 0) -> float:
    """The squared maximum mean discrepancy with the kernel (x·y / D + 1)³, without bias.

    The mean over 50 random subsets of at most 1,000 images (Bińkowski et al. 2018, arXiv
    1801.01401, section 4). It can be a little under zero.
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
    """Kynkäänniemi et al. 2019 (arXiv 1904.06991), section 2, with k = 3.

    A set's region is the union of balls around its images, each as large as the distance to the
    third nearest other one.
    """
    _check_set_sizes(real_ND, generated_ND)
    return PrecisionRecall(
        _coverage(generated_ND, reference_ND=real_ND), _coverage(real_ND, reference_ND=generated_ND)
    )


def _coverage(features_ND: Tensor, reference_ND: Tensor) -> float:
    radii = (
        torch.cdist(reference_ND, reference_ND).kthvalue(_NEIGHBOURS + 1, dim=1).values
    )  # the nearest is itself
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
