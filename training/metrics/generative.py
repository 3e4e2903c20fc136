"""A generator's images beside real ones: distances with what bounds them, and memorisation.

Shapes: N images, C channels, H height, W width.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from training.datasets.base import ImageData
from training.metrics.distribution_distance import (
    frechet_distance,
    kernel_distance,
    precision_recall,
)
from training.metrics.feature_extractor import MobileNetFeatures

__all__ = [
    "MAX_COMPARED_IMAGES",
    "MetricValue",
    "NearestImages",
    "compare_to_training",
    "nearest_training_images",
    "pca_gaussian",
]

MAX_COMPARED_IMAGES = 5000
"""Images on either side of a comparison, unless there are fewer."""

_COMPONENTS = 256


class MetricValue(NamedTuple):
    """One measured number and what it is of."""

    name: str
    value: float
    n: int
    note: str


class NearestImages(NamedTuple):
    """Of each image, the training image that it is most like."""

    rms: Tensor
    """Distances (N,): root mean square difference of pixels, in grey levels."""
    indices: Tensor
    """Which (N,)."""


def compare_to_training(
    data: ImageData, generated_NCHW: Tensor, extract_features: MobileNetFeatures
) -> Iterator[MetricValue]:
    """Drawn images against as many training images, at most half of those.

    Beside each distance stands the `floor`, which is that of other training images and that
    nothing better can be expected to reach, and that of the baseline `pca-gaussian`.
    """
    count = min(len(generated_NCHW), len(data.train) // 2)
    real = extract_features(data.train.images_NCHW[:count], cache=True)
    others = extract_features(data.train.images_NCHW[count : 2 * count], cache=True)
    sets = {
        "": extract_features(generated_NCHW[:count]),
        "/floor": others,
        "/pca-gaussian": extract_features(pca_gaussian(data.train.images_NCHW, count), cache=True),
    }
    notes = {
        "": "drawn images",
        "/floor": "other training images in place of drawn ones",
        "/pca-gaussian": f"images of a normal distribution in {_COMPONENTS} principal components",
    }
    for suffix, features in sets.items():
        scores = precision_recall(real, features)
        yield MetricValue(
            f"fd_mobilenet{suffix}", frechet_distance(real, features), count, notes[suffix]
        )
        yield MetricValue(
            f"kd_mobilenet{suffix}", kernel_distance(real, features), count, notes[suffix]
        )
        yield MetricValue(f"precision{suffix}", scores.precision, count, notes[suffix])
        yield MetricValue(f"recall{suffix}", scores.recall, count, notes[suffix])


def pca_gaussian(images_NCHW: Tensor, count: int, seed: int = 0) -> Tensor:
    """`count` images of the normal distribution that fits the pixels' principal components.

    What a generator that had learnt no more than means and covariances would draw.
    """
    pixels = images_NCHW[:MAX_COMPARED_IMAGES].flatten(1).numpy().astype(np.float32)
    components = min(_COMPONENTS, len(pixels) - 1, pixels.shape[1])
    pca = PCA(components, svd_solver="randomized", random_state=seed).fit(pixels)
    scores = np.random.default_rng(seed).standard_normal((count, components), np.float32)
    generated = pca.inverse_transform(scores * np.sqrt(pca.explained_variance_))
    shape = (count, *images_NCHW.shape[1:])
    return torch.from_numpy(generated.round().clip(0, 255).astype(np.uint8).reshape(shape))


def nearest_training_images(images_NCHW: Tensor, training_NCHW: Tensor) -> NearestImages:
    """By pixels, each image as it is or mirrored, whichever is nearer."""
    best = torch.full((len(images_NCHW),), math.inf)
    index = torch.zeros(len(images_NCHW), dtype=torch.int64)
    queries = [images_NCHW.flatten(1).float(), images_NCHW.flip(3).flatten(1).float()]
    for start in range(0, len(training_NCHW), 1000):
        part = training_NCHW[start : start + 1000].flatten(1).float()
        for query in queries:
            distance, position = torch.cdist(query, part).min(1)
            closer = distance < best
            best = torch.where(closer, distance, best)
            index = torch.where(closer, position + start, index)
    return NearestImages(best / math.sqrt(images_NCHW[0].numel()), index)
