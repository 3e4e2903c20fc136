"""Features of pretrained networks, by which sets of images are compared.

`MobileNetFeatures` are of MobileNetV2 pretrained on ImageNet, with pooled outputs (N, 1280).
`ClassifierFeatures` are of a published classifier, which no generator is trained against. Distances
are comparable with each other, but not with an FID, which uses Inception's features.

Shapes: N images, C channels, H height, W width, D features.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from torch import Tensor
from torch.nn import functional

from models_store.layout import list_versions, version_dir
from models_store.onnx.weights import add_output, read_layers
from models_store.tasks import Classification
from models_store.verify import read_manifest
from training.datasets.data_dir import resolve_data_path, scratch_dir
from training.errors import DataError
from training.metrics.feature_cache import FeatureCache
from training.networks.mobilenet import MobileNet, fold_batch_norms
from training.pretrained.mobilenet import LOCAL_WEIGHTS, features_fingerprint, load_weights

INPUT_SIDE = 96
"""Pixels to which images are resized. ImageNet's 224 would cost five times as much, without more
detail in images of 64."""

CLASSIFIER = "resnet-cifar10"
"""Name of the published model; its newest version is used."""
_CONVOLUTION = "Conv"
_BATCH = 100


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


class ClassifierFeatures:
    """Maps uint8 images (N, C, H, W) to features (N, 4 · D).

    Each image is resized to twice the side of the classifier's input and cut into four quarters:
    images of 64 × 64 stay as they are for a classifier of 32 × 32. The features of a quarter are
    the outputs of the last convolution, averaged over positions.

    Raises:
        DataError: the store holds no such classifier.
    """

    def __init__(self, store: Path | None = None) -> None:
        store = store or Path(os.environ.get("DEEPSHELF_STORE", "models_store"))
        self.version = max(list_versions(store, CLASSIFIER), default=0)
        if not self.version:
            raise DataError(f"{store} holds no {CLASSIFIER}, whose features the metric needs")
        folder = version_dir(store, CLASSIFIER, self.version)
        manifest = read_manifest(folder)
        if not isinstance(manifest.task, Classification):
            raise DataError(f"{CLASSIFIER} {self.version} in {store} is not a classifier")
        self._image = manifest.task.image
        graph = (folder / manifest.graphs()["model"].path).read_bytes()
        convolutions = [layer for layer in read_layers(graph) if layer.operator == _CONVOLUTION]
        if not convolutions:
            raise DataError(f"{CLASSIFIER} {self.version} in {store} has no convolution")
        self._output = convolutions[-1].output
        self._cache = FeatureCache(scratch_dir() / "features", hashlib.sha256(graph).hexdigest())
        options = ort.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self._session = ort.InferenceSession(
            add_output(graph, self._output), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, images_NCHW: Tensor, *, cache: bool = False) -> Tensor:
        """Return features of images that are grey or have the classifier's channels.

        `cache` stores them for later runs.
        """
        channels = 1 if self._image.mode == "L" else 3
        if images_NCHW.shape[1] not in (1, channels):
            raise DataError(f"{CLASSIFIER} takes images of {channels} channels")
        images_NCHW = images_NCHW.expand(-1, channels, -1, -1)
        if cache:
            return self._cache(images_NCHW, self._extract)
        return torch.cat([self._extract(batch) for batch in torch.split(images_NCHW, _BATCH)])

    def _extract(self, images_BCHW: Tensor) -> Tensor:
        return torch.cat([self._pooled(quarter) for quarter in self._quarters(images_BCHW)], 1)

    def _quarters(self, images_BCHW: Tensor) -> Iterator[Tensor]:
        height, width = self._image.height, self._image.width
        sized_BCHW = functional.interpolate(
            images_BCHW.float(), (2 * height, 2 * width), mode="bilinear", align_corners=False
        )
        for row in torch.split(sized_BCHW.round().to(torch.uint8), height, 2):
            yield from torch.split(row, width, 3)

    def _pooled(self, images_BCHW: Tensor) -> Tensor:
        images_BHWC = np.ascontiguousarray(images_BCHW.permute(0, 2, 3, 1))
        inputs = {self._session.get_inputs()[0].name: images_BHWC}
        maps_BDhw = self._session.run([self._output], inputs)[0]
        return torch.from_numpy(np.asarray(maps_BDhw, np.float32).mean((2, 3)))
