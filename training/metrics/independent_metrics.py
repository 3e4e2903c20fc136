"""Metrics of generated images that are independent of the features used in training.

A projected discriminator uses the MobileNetV2 features by which `training.metrics.generative`
compares. These metrics use none of them: sharpness, spread, the features of another network, and
the share of images, and of morphs between them, in which a detector finds two eyes.

Shapes: N images, C channels, H height, W width, Z latent.
"""

import logging
import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from models_store.sampling.latents import latent_from_seed, slerp
from training.datasets.base import ImageData
from training.errors import DataError
from training.metrics.classifier_features import CLASSIFIER, ClassifierFeatures
from training.metrics.distribution_distance import frechet_distance
from training.metrics.eye_detector import EyeDetector
from training.metrics.generative import MetricValue, pca_gaussian

_log = logging.getLogger(__name__)

_MAX_IMAGES = 1000
"""Number of generated and of real images for sharpness, spread and eyes."""
_MORPHS, _FRAMES = 50, 8
"""Number of pairs of seeds, and of images between the two seeds of a pair."""


def independent_metrics(
    data: ImageData, generated_NCHW: Tensor, generate: Callable[[Tensor], Tensor], latent_size: int
) -> Iterator[MetricValue]:
    """Yield every metric that can be computed here; a warning names the others.

    `generate` maps latents (N, Z) to uint8 images (N, C, H, W).
    """
    train_NCHW = data.train.images_NCHW
    generated_NCHW = generated_NCHW[: len(train_NCHW) // 2]
    real_NCHW = train_NCHW[: len(generated_NCHW)]
    yield from _pixel_metrics(real_NCHW[:_MAX_IMAGES], generated_NCHW[:_MAX_IMAGES])
    try:
        yield from _classifier_distances(train_NCHW, generated_NCHW)
    except DataError as error:
        _log.warning("no Fréchet distance of classifier features: %s", error)
    try:
        yield from _eye_metrics(real_NCHW, generated_NCHW, generate(morph_latents(latent_size)))
    except DataError as error:
        _log.warning("no share of images with two eyes: %s", error)


def _pixel_metrics(real_NCHW: Tensor, generated_NCHW: Tensor) -> Iterator[MetricValue]:
    notes = {
        sharpness: "mean gradient of brightness",
        spread: "mean distance between two images in pixels",
    }
    for measure, note in notes.items():
        ratio = measure(generated_NCHW) / max(measure(real_NCHW), 1e-9)
        yield MetricValue(
            measure.__name__, ratio, len(generated_NCHW), f"{note}, relative to real images"
        )


def _classifier_distances(train_NCHW: Tensor, generated_NCHW: Tensor) -> Iterator[MetricValue]:
    features, count = ClassifierFeatures(), len(generated_NCHW)
    real = features(train_NCHW[:count], cache=True)
    sets = {
        "": features(generated_NCHW),
        "/floor": features(train_NCHW[count : 2 * count], cache=True),
        "/pca-gaussian": features(pca_gaussian(train_NCHW, count), cache=True),
    }
    note = f"features of {CLASSIFIER} {features.version}, four quarters of each image"
    for suffix, features_ND in sets.items():
        distance = frechet_distance(real, features_ND)
        yield MetricValue(f"fd_cifar10{suffix}", distance, count, note)


def _eye_metrics(
    real_NCHW: Tensor, generated_NCHW: Tensor, morphed_NCHW: Tensor
) -> Iterator[MetricValue]:
    """Yield shares of images with two eyes, unless under half of the real images have them."""
    detector = EyeDetector()
    note = "share with two eyes found by OpenCV's Haar cascade: "
    found_N = detector(real_NCHW[:_MAX_IMAGES])
    if found_N.float().mean() < 0.5:
        return
    yield MetricValue(
        "eyes/real", float(found_N.float().mean()), len(found_N), f"{note}real images"
    )
    found_N = detector(generated_NCHW[:_MAX_IMAGES])
    yield MetricValue(
        "eyes", float(found_N.float().mean()), len(found_N), f"{note}generated images"
    )
    found_N = detector(morphed_NCHW)
    yield MetricValue(
        "eyes/morph",
        float(found_N.float().mean()),
        len(found_N),
        f"{note}{_FRAMES} images between each of {_MORPHS} pairs of seeds",
    )
    all_detected_M = found_N.view(_MORPHS, _FRAMES).all(1)
    yield MetricValue(
        "eyes/whole-morph",
        float(all_detected_M.float().mean()),
        _MORPHS,
        f"{note}all images between two seeds",
    )


def morph_latents(latent_size: int) -> Tensor:
    """Return latents (pairs · frames, Z) between two seeds, as the service interpolates them."""
    return torch.from_numpy(
        np.stack(
            [
                slerp(
                    latent_from_seed(2 * pair, latent_size),
                    latent_from_seed(2 * pair + 1, latent_size),
                    (frame + 1) / (_FRAMES + 1),
                )
                for pair in range(_MORPHS)
                for frame in range(_FRAMES)
            ]
        )
    )


def sharpness(images_NCHW: Tensor) -> float:
    """Return the mean length of the gradient of brightness, in grey levels per pixel."""
    gray_NHW = images_NCHW.float().mean(1)
    down = gray_NHW[:, 1:, :-1] - gray_NHW[:, :-1, :-1]
    right = gray_NHW[:, :-1, 1:] - gray_NHW[:, :-1, :-1]
    return float(torch.hypot(down, right).mean())


def spread(images_NCHW: Tensor) -> float:
    """Return the mean RMS difference between two different images, in grey levels."""
    pixels_ND = images_NCHW.flatten(1).float()
    return float(torch.pdist(pixels_ND).mean()) / math.sqrt(pixels_ND.shape[1])
