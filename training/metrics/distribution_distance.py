"""How far one set of pictures is from another, by features (N, D) of both.

Of which network the features are is the caller's business, and must be said beside the figure.
"""

from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import poly_mmd

from training.errors import DataError

__all__ = ["PrecisionRecall", "frechet", "kernel", "precision_recall"]

_SUBSETS, _SUBSET_SIZE = 50, 1000
_NEIGHBOURS = 3


class _Given(nn.Module):
    """Features that are there already, where torchmetrics wants the network that makes them."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features_ND: Tensor) -> Tensor:
        return features_ND


class PrecisionRecall(NamedTuple):
    """Both between 0 and 1."""

    precision: float
    """The share of drawn pictures that lie where real ones do: how good they look."""
    recall: float
    """The share of real pictures that lie where drawn ones do: how much of the variety is there."""


def frechet(real_ND: Tensor, drawn_ND: Tensor) -> float:
    """Between normal distributions fitted to both (Heusel et al. 2017, arXiv 1706.08500, eq. 6).

    It is biased: fewer pictures, larger distance. Compare only what was measured with as many.
    """
    _check(real_ND, drawn_ND)
    metric = FrechetInceptionDistance(_Given(real_ND.shape[1]))
    metric.update(real_ND.double(), real=True)
    metric.update(drawn_ND.double(), real=False)
    return float(metric.compute())


def kernel(real_ND: Tensor, drawn_ND: Tensor, seed: int = 0) -> float:
    """The squared maximum mean discrepancy with the kernel (x·y / D + 1)³, without bias.

    The mean over 50 random subsets of at most 1,000 pictures (Bińkowski et al. 2018, arXiv
    1801.01401, section 4). It can be a little under zero.
    """
    _check(real_ND, drawn_ND)
    random = Generator().manual_seed(seed)
    size = min(_SUBSET_SIZE, len(real_ND), len(drawn_ND))

    def some(features_ND: Tensor) -> Tensor:
        return features_ND[torch.randperm(len(features_ND), generator=random)[:size]].double()

    distances = [poly_mmd(some(real_ND), some(drawn_ND)) for _ in range(_SUBSETS)]
    return float(torch.stack(distances).mean())


def precision_recall(real_ND: Tensor, drawn_ND: Tensor) -> PrecisionRecall:
    """Kynkäänniemi et al. 2019 (arXiv 1904.06991), section 2, with k = 3.

    A set's region is the union of balls around its pictures, each as large as the distance to the
    third nearest other one.
    """
    _check(real_ND, drawn_ND)
    return PrecisionRecall(_covered(drawn_ND, by=real_ND), _covered(real_ND, by=drawn_ND))


def _covered(features_ND: Tensor, by: Tensor) -> float:
    within = torch.cdist(by, by).kthvalue(_NEIGHBOURS + 1, dim=1).values  # the nearest is itself
    inside = [(torch.cdist(part, by) <= within).any(1) for part in torch.split(features_ND, 1000)]
    return float(torch.cat(inside).float().mean())


def _check(real_ND: Tensor, drawn_ND: Tensor) -> None:
    fewest = min(len(real_ND), len(drawn_ND))
    if fewest <= _NEIGHBOURS:
        raise DataError(
            f"{fewest} pictures are too few to compare sets by: more than {_NEIGHBOURS} are needed"
        )
