"""Distances of generated images from real ones with reference values, and nearest images.

Shapes: N images, C channels, H height, W width.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from models_store.manifest import Metric
from training.datasets.base import ImageData
from training.metrics.distribution_distance import (
    frechet_distance,
    kernel_distance,
    precision_recall,
)
from training.metrics.feature_extractor import MobileNetFeatures

MAX_COMPARED_IMAGES = 5000
"""Largest number of images on either side of a comparison."""

_COMPONENTS = 256


class NearestImages(NamedTuple):
    """Nearest training image of each image."""

    rms: Tensor
    """Distances (N,): root mean square difference of pixels, in grey levels."""
    indices: Tensor
    """Indices of the nearest training images (N,)."""


def compare_to_training(
    data: ImageData, generated_NCHW: Tensor, extract_features: MobileNetFeatures
) -> Iterator[Metric]:
    """Compare generated images with as many training images, at most half of those.

    Each metric has two reference values: `floor` compares with other training images, which is the
    best value to expect, and `pca-gaussian` is a baseline.
    """
    count = min(len(generated_NCHW), len(data.train) // 2)
    real, sets = features_by_suffix(
        extract_features, data.train.images_NCHW, generated_NCHW[:count]
    )
    notes = {
        "": "generated images",
        "/floor": "other training images in place of generated ones",
        "/pca-gaussian": f"images of a normal distribution in {_COMPONENTS} principal components",
    }
    for suffix, features in sets.items():
        precision, recall = precision_recall(real, features)
        scores = {
            "fd_mobilenet": frechet_distance(real, features),
            "kd_mobilenet": kernel_distance(real, features),
            "precision": precision,
            "recall": recall,
        }
        for name, value in scores.items():
            yield Metric(
                name=f"{name}{suffix}",
                value=value,
                dataset=data.title,
                split="train",
                n=count,
                note=notes[suffix],
            )


class FeatureExtractor(Protocol):
    """Computes features (N, D) of images; `cache` stores them on disk."""

    def __call__(self, images_NCHW: Tensor, *, cache: bool = False) -> Tensor: ...


def features_by_suffix(
    extract: FeatureExtractor, train_NCHW: Tensor, generated_NCHW: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return features of as many training images, and of the sets that are compared with them.

    The sets are named by the suffixes of their metrics: the generated images, and the reference
    values `floor` and `pca-gaussian`.
    """
    count = len(generated_NCHW)
    return extract(train_NCHW[:count], cache=True), {
        "": extract(generated_NCHW),
        "/floor": extract(train_NCHW[count : 2 * count], cache=True),
        "/pca-gaussian": extract(pca_gaussian(train_NCHW, count), cache=True),
    }


def pca_gaussian(images_NCHW: Tensor, count: int, seed: int = 0) -> Tensor:
    """Return `count` images of a normal distribution fitted to the pixels' principal components.

    A generator that has learnt only means and covariances would draw such images.
    """
    pixels = images_NCHW[:MAX_COMPARED_IMAGES].flatten(1).numpy().astype(np.float32)
    components = min(_COMPONENTS, len(pixels) - 1, pixels.shape[1])
    pca = PCA(components, svd_solver="randomized", random_state=seed).fit(pixels)
    scores = np.random.default_rng(seed).standard_normal((count, components), np.float32)
    generated = pca.inverse_transform(scores * np.sqrt(pca.explained_variance_))
    shape = (count, *images_NCHW.shape[1:])
    return torch.from_numpy(generated.round().clip(0, 255).astype(np.uint8).reshape(shape))


def nearest_training_images(images_NCHW: Tensor, training_NCHW: Tensor) -> NearestImages:
    """Find the nearest training image by pixels, for each image or its mirror image."""
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
