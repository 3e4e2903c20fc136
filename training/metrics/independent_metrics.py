"""Metrics of generated images that are independent of the features used in training.

A projected discriminator uses the MobileNetV2 features by which `training.metrics.generative`
compares. These metrics use none of them: sharpness, spread, the features of another network, and
the share of images, and of morphs between them, in which a detector finds two eyes.

Shapes: N images, C channels, H height, W width, Z latent.
"""

import logging
import math
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models_store.manifest import Metric
from models_store.sampling.latents import latent_from_seed, slerp
from training.datasets.base import ImageData
from training.errors import DataError
from training.metrics.distribution_distance import frechet_distance
from training.metrics.feature_extractor import CLASSIFIER, ClassifierFeatures
from training.metrics.generative import features_by_suffix

_log = logging.getLogger(__name__)

_MAX_IMAGES = 1000
"""Number of generated and of real images for sharpness, spread and eyes."""
_MORPHS, _FRAMES = 50, 8
"""Number of pairs of seeds, and of images between the two seeds of a pair."""
_CASCADE = "haarcascade_eye.xml"
_SIDE = 256
"""Side to which images are enlarged, in pixels: the cascade's smallest window has 20."""
_UPPER = 0.65
"""Share of the height, from the top, that is searched, because mouths resemble eyes."""
_SMALLEST, _LARGEST = 24, 112
"""Smallest and largest side of an eye's window, in enlarged pixels."""
_NEIGHBOURS = 3
"""Number of overlapping detections that count as an eye; OpenCV's default."""


def independent_metrics(
    data: ImageData, generated_NCHW: Tensor, generate: Callable[[Tensor], Tensor], latent_size: int
) -> Iterator[Metric]:
    """Yield every metric that can be computed here; a warning names the others.

    `generate` maps latents (N, Z) to uint8 images (N, C, H, W).
    """
    train_NCHW = data.train.images_NCHW
    generated_NCHW = generated_NCHW[: len(train_NCHW) // 2]
    real_NCHW = train_NCHW[: len(generated_NCHW)]
    metric = partial(Metric, dataset=data.title, split="train")
    yield from _pixel_metrics(metric, real_NCHW[:_MAX_IMAGES], generated_NCHW[:_MAX_IMAGES])
    try:
        yield from _classifier_distances(metric, train_NCHW, generated_NCHW)
    except DataError as error:
        _log.warning("no Fréchet distance of classifier features: %s", error)
    try:
        morphed_NCHW = generate(morph_latents(latent_size))
        yield from _eye_metrics(metric, real_NCHW, generated_NCHW, morphed_NCHW)
    except DataError as error:
        _log.warning("no share of images with two eyes: %s", error)


def _pixel_metrics(
    metric: partial[Metric], real_NCHW: Tensor, generated_NCHW: Tensor
) -> Iterator[Metric]:
    notes = {
        sharpness: "mean gradient of brightness",
        spread: "mean distance between two images in pixels",
    }
    for measure, note in notes.items():
        yield metric(
            name=measure.__name__,
            value=measure(generated_NCHW) / max(measure(real_NCHW), 1e-9),
            n=len(generated_NCHW),
            note=f"{note}, relative to real images",
        )


def _classifier_distances(
    metric: partial[Metric], train_NCHW: Tensor, generated_NCHW: Tensor
) -> Iterator[Metric]:
    extract = ClassifierFeatures()
    real, sets = features_by_suffix(extract, train_NCHW, generated_NCHW)
    note = f"features of {CLASSIFIER} {extract.version}, four quarters of each image"
    for suffix, features_ND in sets.items():
        distance = frechet_distance(real, features_ND)
        yield metric(name=f"fd_cifar10{suffix}", value=distance, n=len(generated_NCHW), note=note)


def _eye_metrics(
    metric: partial[Metric], real_NCHW: Tensor, generated_NCHW: Tensor, morphed_NCHW: Tensor
) -> Iterator[Metric]:
    """Yield shares of images with two eyes, unless under half of the real images have them."""
    detector = EyeDetector()

    def share(name: str, found_N: Tensor, of: str) -> Metric:
        note = f"share with two eyes found by OpenCV's Haar cascade: {of}"
        return metric(name=name, value=float(found_N.float().mean()), n=len(found_N), note=note)

    real = share("eyes/real", detector(real_NCHW[:_MAX_IMAGES]), "real images")
    if real.value < 0.5:
        return
    yield real
    yield share("eyes", detector(generated_NCHW[:_MAX_IMAGES]), "generated images")
    found_N = detector(morphed_NCHW)
    note = f"{_FRAMES} images between each of {_MORPHS} pairs of seeds"
    yield share("eyes/morph", found_N, note)
    whole_M = found_N.view(_MORPHS, _FRAMES).all(1)
    yield share("eyes/whole-morph", whole_M, "all images between two seeds")


def morph_latents(latent_size: int) -> Tensor:
    """Return latents (pairs · frames, Z) between two seeds, as the service interpolates them."""
    ends = [latent_from_seed(seed, latent_size) for seed in range(2 * _MORPHS)]
    shares = [(frame + 1) / (_FRAMES + 1) for frame in range(_FRAMES)]
    pairs = zip(ends[::2], ends[1::2], strict=True)
    latents = [slerp(start, end, share) for start, end in pairs for share in shares]
    return torch.from_numpy(np.stack(latents))


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


class EyeDetector:
    """Detects eyes in upright faces that fill the image.

    Raises:
        DataError: OpenCV is not installed.
    """

    def __init__(self) -> None:
        try:
            cv2: Any = import_module("cv2")
        except ImportError as error:
            raise DataError(
                "finding eyes needs OpenCV: pip install 'opencv-python-headless<5'"
            ) from error
        self._cv2 = cv2
        self._cascade = cv2.CascadeClassifier(str(Path(cv2.data.haarcascades) / _CASCADE))

    def __call__(self, images_NCHW: Tensor) -> Tensor:
        """Return True (N,) for each uint8 image whose left and right halves both show an eye."""
        return Tensor([self._two(np.asarray(image)) for image in images_NCHW]).bool()

    def _two(self, image_CHW: np.ndarray[Any, Any]) -> bool:
        cv2 = self._cv2
        gray_HW = image_CHW[0]
        if len(image_CHW) > 1:
            image_HWC = np.ascontiguousarray(image_CHW.transpose(1, 2, 0))
            gray_HW = cv2.cvtColor(image_HWC, cv2.COLOR_RGB2GRAY)
        large_HW = cv2.resize(gray_HW, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
        eyes = self._cascade.detectMultiScale(
            large_HW[: int(_UPPER * _SIDE)],
            minNeighbors=_NEIGHBOURS,
            minSize=(_SMALLEST, _SMALLEST),
            maxSize=(_LARGEST, _LARGEST),
        )
        return len({left + width / 2 < _SIDE / 2 for left, _, width, _ in eyes}) > 1
