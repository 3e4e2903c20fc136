"""Features of a pretrained network, by which sets of images are compared.

The network is MobileNetV2 pretrained on ImageNet, with pooled outputs (N, 1280). Distances between
its features are comparable with each other, but not with an FID, which uses Inception's.
"""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from training.datasets.data_dir import resolve_data_path, scratch_dir
from training.metrics.feature_cache import FeatureCache
from training.networks.mobilenet import MobileNet, fold_batch_norms
from training.pretrained.mobilenet import LOCAL_WEIGHTS, features_fingerprint, load_weights

INPUT_SIDE = 96
"""Pixels to which images are resized. ImageNet's 224 would cost five times as much, without more
detail in images of 64."""


class MobileNetFeatures:
    """Extracts features of images.

    Raises:
        DataError: the weights are not in the cache and cannot be downloaded.
    """

    def __init__(self) -> None:
        config = _config(resolve_data_path(LOCAL_WEIGHTS))
        network = config.build()
        load_weights(network, config)
        network.eval()
        key = f"{features_fingerprint(network, config)}-{INPUT_SIDE}"
        self._cache = FeatureCache(scratch_dir() / "features", key)
        fold_batch_norms(network.features)
        self._network = network.to(memory_format=torch.channels_last)
        self._statistics = [torch.tensor(s).view(1, 3, 1, 1) for s in config.statistics]

    def __call__(self, images_NCHW: Tensor, *, cache: bool = False) -> Tensor:
        """Return features (N, 1280) of grey or RGB uint8 images; `cache` stores them on disk."""
        with torch.inference_mode():
            if cache:
                return self._cache(images_NCHW, self._extract).clone()
            return torch.cat([self._extract(part) for part in torch.split(images_NCHW, 64)])

    def _extract(self, images_BCHW: Tensor) -> Tensor:
        mean, deviation = self._statistics
        floats = images_BCHW.expand(-1, 3, -1, -1).float() / 255
        resized = functional.interpolate(
            floats, (INPUT_SIDE, INPUT_SIDE), mode="bilinear", align_corners=False, antialias=True
        )
        normalized = (resized - mean) / deviation
        return self._network.pool(normalized.contiguous(memory_format=torch.channels_last))


def _config(weights_path: Path) -> MobileNet.Config:
    if weights_path.is_file():
        return MobileNet.Config(
            classes=2, weights_path=LOCAL_WEIGHTS, padding="tf-same", scaling="symmetric"
        )
    return MobileNet.Config(classes=2)
