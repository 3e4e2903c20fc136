"""Publish a pretrained classifier of ImageNet's 1,000 classes.

The weights are torchvision's, downloaded with a checksum, or a file of the user's own. They are
large and made by others, so no such model comes with the project.
"""

import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from torch import nn
from torchvision import models
from torchvision.models import WeightsEnum

from models_store.layout import file_sha256
from models_store.manifest import DataSource, Metric, Provenance
from training.config.recipe import ModelCard
from training.datasets.data_dir import data_dir, resolve_data_path
from training.engine.environment import Environment
from training.errors import DataError, RecipeError
from training.networks.mobilenet import normalization_statistics, use_same_padding
from training.pretrained.mobilenet import download_weights, read_state, weights_licence
from training.pretrained.state import load_into
from training.publish.publisher import publish_model
from training.publish.tasks.imagenet import ImagenetClassifier, export_spec

__all__ = ["Network", "Preprocessing", "publish_pretrained"]

Network = Literal["mobilenet_v2", "mobilenet_v3_large", "resnet18", "resnet50"]
Preprocessing = Literal["torchvision", "tensorflow"]
"""`tensorflow`: pixels / 127.5 - 1, and SAME padding of convolutions of stride 2."""

IMAGENET_TRAIN_IMAGES = 1_281_167
"""Size of ImageNet-1k's training set (Russakovsky et al. 2015, arXiv 1409.0575)."""
_CROP_SIDE = 224


@dataclass(frozen=True)
class _PretrainedNetwork:
    """A network of torchvision with its best weights, and the name that it is published by."""

    network: Network
    name: str
    paper: str

    @property
    def weights(self) -> WeightsEnum:
        return models.get_model_weights(self.network).DEFAULT


_NETWORKS = {
    item.network: item
    for item in (
        _PretrainedNetwork(
            "mobilenet_v2",
            "mobilenet-imagenet",
            "MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381)",
        ),
        _PretrainedNetwork(
            "mobilenet_v3_large",
            "mobilenet-v3-imagenet",
            "MobileNetV3-Large (Howard et al. 2019, arXiv 1905.02244)",
        ),
        _PretrainedNetwork(
            "resnet18", "resnet18-imagenet", "ResNet-18 (He et al. 2015, arXiv 1512.03385)"
        ),
        _PretrainedNetwork(
            "resnet50", "resnet50-imagenet", "ResNet-50 (He et al. 2015, arXiv 1512.03385)"
        ),
    )
}


def publish_pretrained(
    network: Network,
    store: Path,
    weights_path: Path | None = None,
    preprocessing: Preprocessing = "torchvision",
    name: str | None = None,
) -> Path:
    """Publish torchvision's `network` with its own weights or those of a file.

    Raises:
        RecipeError: when no weights of the network were trained with the preprocessing.
        DataError: when the weights do not exist, or cannot be downloaded or read.
        WeightsError: when they are of another network.
    """
    started = time.perf_counter()
    pretrained = _NETWORKS[network]
    if preprocessing == "tensorflow" and not network.startswith("mobilenet"):
        raise RecipeError(
            f"preprocessing tensorflow is for the mobilenets, got {network}, whose pooling "
            "would need other padding, too"
        )
    path = _weights_file(pretrained, weights_path)
    module = models.get_model(network)
    if preprocessing == "tensorflow":
        use_same_padding(module)
    load_into(module, read_state(path), path.name)
    model = _describe_model(pretrained, module, path, weights_path, preprocessing)
    model_name = name or pretrained.name
    model_provenance = Provenance(
        recipe={
            "pretrained": network,
            "weights": path.name,
            "preprocessing": preprocessing,
        },
        command=_command(network, weights_path, preprocessing, name),
        seed=0,
        **Environment.current().model_dump(),
        duration_s=round(time.perf_counter() - started, 1),
    )
    return publish_model(
        model_name,
        _model_card(pretrained, weights_path),
        export_spec(model),
        model_provenance,
        store,
    )


def _weights_file(pretrained: _PretrainedNetwork, path: Path | None) -> Path:
    if path is None:
        return download_weights(pretrained.weights.url, data_dir() / "imagenet", "--weights-path")
    weights_file = resolve_data_path(path)
    if not weights_file.is_file():
        raise DataError(f"there are no weights at {weights_file} (--weights-path)")
    return weights_file


def _describe_model(
    pretrained: _PretrainedNetwork,
    module: nn.Module,
    path: Path,
    weights_path: Path | None,
    preprocessing: Preprocessing,
) -> ImagenetClassifier:
    meta, is_custom = pretrained.weights.meta, weights_path is not None
    mean, std = normalization_statistics(
        "torchvision" if preprocessing == "torchvision" else "symmetric"
    )
    return ImagenetClassifier(
        network=module,
        labels=tuple(meta["categories"]),
        mean=mean,
        std=std,
        # torchvision resizes the shorter side to this before the center crop. Other weights get
        # the 256 of its first recipes.
        shorter_side=256 if is_custom else int(pretrained.weights.transforms().resize_size[0]),
        crop_side=_CROP_SIDE,
        source=DataSource(
            title=f"ImageNet-1k, by way of the pretrained weights {path.name} (hash of the file)",
            source=f"file {path.name}" if is_custom else pretrained.weights.url,
            licence=weights_licence(weights_path),
            sha256=file_sha256(path),
            n=IMAGENET_TRAIN_IMAGES,
        ),
        metrics=() if is_custom else _published_metrics(meta),
    )


def _published_metrics(meta: dict[str, Any]) -> tuple[Metric, ...]:
    values = meta["_metrics"]["ImageNet-1K"]
    return tuple(
        Metric(
            name=f"{name}/published",
            value=round(values[key] / 100, 5),
            dataset="ImageNet-1k",
            split="validation",
            n=50_000,
            note="torchvision's own figure for these weights, not measured here",
        )
        for name, key in (("accuracy", "acc@1"), ("top5_accuracy", "acc@5"))
    )


def _model_card(pretrained: _PretrainedNetwork, weights_path: Path | None) -> ModelCard:
    return ModelCard(
        summary=f"Names what a photograph shows, of ImageNet's 1,000 things. {pretrained.paper}.",
        intended_use=(
            "Photographs of one animal or object that is large in the image. Trained by others: "
            "published here as it is, to be asked or to learn other classes from."
        ),
        limits=(
            "It always answers with one of its 1,000 classes: 118 kinds of dog, but of people only "
            "ballplayer, groom and scuba diver. Several things in one image, drawings and text "
            "mislead it. Its images came from the internet of about 2010, mostly from Europe and "
            "North America, and its answers carry their biases. Not for decisions about people."
            + ("" if weights_path is None else " The accuracy of these weights was not measured.")
        ),
        licence=(
            f"{weights_licence(weights_path)} (weights); ImageNet's terms apply to its images"
        ),
    )


def _command(
    network: Network, weights_path: Path | None, preprocessing: Preprocessing, name: str | None
) -> str:
    words = ["python", "-m", "training", "publish-pretrained", network]
    if weights_path is not None:
        words += ["--weights-path", weights_path.name]
    if preprocessing != get_args(Preprocessing)[0]:
        words += ["--preprocessing", preprocessing]
    if name is not None:
        words += ["--name", name]
    return shlex.join(words)
