"""Judges of drawn pictures that no training saw.

`training.metrics.generative` compares by MobileNetV2's features, which a projected discriminator
looks through as well. Here are others: sharpness, spread, another network's features, and whether
a detector of eyes takes what is drawn for faces, also on the way from one face to another.

Shapes: N pictures, C channels, H height, W width, Z latent.
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
from training.metrics.distribution_distance import frechet_distance
from training.metrics.eye_detector import EyeDetector
from training.metrics.generative import MetricValue, pca_gaussian
from training.metrics.shelf_features import JUDGE, ShelfFeatures

__all__ = ["compare_unseen", "morphs", "sharpness", "spread"]

_log = logging.getLogger(__name__)

_LOOKED_AT = 1000
"""Pictures on either side in which eyes are looked for, and whose pairs are compared."""
_MORPHS, _FRAMES = 50, 8
"""Pairs of seeds, and pictures between the two."""


def compare_unseen(
    data: ImageData, drawn_NCHW: Tensor, draw: Callable[[Tensor], Tensor], latent_size: int
) -> Iterator[MetricValue]:
    """Figures of judges that no training saw; those whose judge is not installed are left out.

    `draw` makes uint8 pictures (N, C, H, W) of latents (N, Z).
    """
    train_NCHW = data.train.images_NCHW
    drawn_NCHW = drawn_NCHW[: len(train_NCHW) // 2]
    real_NCHW = train_NCHW[: len(drawn_NCHW)]
    yield from _beside_real(real_NCHW[:_LOOKED_AT], drawn_NCHW[:_LOOKED_AT])
    try:
        yield from _compare_on_shelf(train_NCHW, drawn_NCHW)
    except DataError as error:
        _log.warning("published without a second Fréchet distance: %s", error)
    try:
        yield from _eyes(real_NCHW, drawn_NCHW, draw(morphs(latent_size)))
    except DataError as error:
        _log.warning("published without a count of eyes: %s", error)


def _beside_real(real_NCHW: Tensor, drawn_NCHW: Tensor) -> Iterator[MetricValue]:
    notes = {
        sharpness: "mean gradient of brightness",
        spread: "mean distance between two pictures in pixels",
    }
    for measure, note in notes.items():
        ratio = measure(drawn_NCHW) / max(measure(real_NCHW), 1e-9)
        yield MetricValue(
            measure.__name__, ratio, len(drawn_NCHW), f"{note}, as a share of real ones'"
        )


def _compare_on_shelf(train_NCHW: Tensor, drawn_NCHW: Tensor) -> Iterator[MetricValue]:
    features, count = ShelfFeatures(), len(drawn_NCHW)
    real = features(train_NCHW[:count])
    sets = {
        "": drawn_NCHW,
        "/floor": train_NCHW[count : 2 * count],
        "/pca-gaussian": pca_gaussian(train_NCHW, count),
    }
    note = f"features of {JUDGE} {features.version}, four quarters of each picture"
    for which, images_NCHW in sets.items():
        yield MetricValue(
            f"fd_cifar10{which}", frechet_distance(real, features(images_NCHW)), count, note
        )


def _eyes(real_NCHW: Tensor, drawn_NCHW: Tensor, morphed_NCHW: Tensor) -> Iterator[MetricValue]:
    """The shares in which two eyes are found; nothing where the real pictures are no faces."""
    detector = EyeDetector()
    note = "share in which OpenCV's Haar cascade finds two eyes: "
    found_N = detector(real_NCHW[:_LOOKED_AT])
    if found_N.float().mean() < 0.5:
        return
    yield MetricValue(
        "eyes/real", float(found_N.float().mean()), len(found_N), f"{note}real pictures"
    )
    found_N = detector(drawn_NCHW[:_LOOKED_AT])
    yield MetricValue("eyes", float(found_N.float().mean()), len(found_N), f"{note}drawn pictures")
    found_N = detector(morphed_NCHW)
    yield MetricValue(
        "eyes/morph",
        float(found_N.float().mean()),
        len(found_N),
        f"{note}{_FRAMES} pictures between each of {_MORPHS} pairs of seeds",
    )
    whole = found_N.view(_MORPHS, _FRAMES).all(1)
    yield MetricValue(
        "eyes/whole-morph", float(whole.float().mean()), _MORPHS, f"{note}all between two seeds"
    )


def morphs(latent_size: int) -> Tensor:
    """Latents on the way from one seed to another, (pairs · frames, Z), as the service morphs."""
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
    """Mean length of the gradient of brightness, in grey levels a pixel."""
    grey_NHW = images_NCHW.float().mean(1)
    down = grey_NHW[:, 1:, :-1] - grey_NHW[:, :-1, :-1]
    right = grey_NHW[:, :-1, 1:] - grey_NHW[:, :-1, :-1]
    return float(torch.hypot(down, right).mean())


def spread(images_NCHW: Tensor) -> float:
    """Mean root mean square difference between two different pictures, in grey levels."""
    pixels_ND = images_NCHW.flatten(1).float()
    return float(torch.pdist(pixels_ND).mean()) / math.sqrt(pixels_ND.shape[1])
