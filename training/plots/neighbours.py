"""Drawn pictures, each over the training pictures that it is most like."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.metrics.feature_extractor import Perception
from training.metrics.generative import COUNT, nearest
from training.plots.restoration import draw_restoration

__all__ = ["draw_neighbours"]


def draw_neighbours(drawn_NCHW: Tensor, training_NCHW: Tensor, path: Path) -> None:
    """Drawn uint8 pictures, under each the training pictures nearest by pixels and by features.

    Raises:
        DataError: when there are no weights to compute features with.
    """
    perception = Perception()
    known = training_NCHW[: 2 * COUNT]  # whose features a comparison has computed
    features = torch.cdist(perception(drawn_NCHW), perception(known, keep=True)).argmin(1)
    rows = {
        "drawn": drawn_NCHW,
        "by pixels": training_NCHW[nearest(drawn_NCHW, training_NCHW).where],
        "by features": known[features],
    }
    draw_restoration(
        [(name, np.asarray(images.permute(0, 2, 3, 1))) for name, images in rows.items()], path
    )
