"""Classifiers of ImageNet's 1,000 classes, trained by others, onto the shelf.

Weights are torchvision's, fetched with checksum, or a file of one's own. They are of other people's
making and large: whoever wants such a model publishes it at home.
"""

import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from torch import nn
from torchvision import models
from torchvision.models import WeightsEnum

from models_store.layout import sha256_of
from models_store.manifest import DataSource, Metric, Provenance
from training.config.recipe import Publish
from training.datasets.data_dir import data_dir, located
from training.errors import DataError, RecipeError
from training.networks.mobilenet import pad_as_tensorflow, statistics_of
from training.pretrained.mobilenet import fetched, licence_of, read_state
from training.pretrained.state import fill
from training.publish.provenance import Environment
from training.publish.publisher import shelve
from training.publish.tasks.imagenet import Imagenet, publication

__all__ = ["Network", "Preprocessing", "publish_pretrained"]

Network = Literal["mobilenet_v2", "mobilenet_v3_large", "resnet18", "resnet50"]
Preprocessing = Literal["torchvision", "tensorflow"]
"""`tensorflow`: pixels / 127.5 - 1, and convolutions of stride 2 padded as its SAME does."""

PICTURES = 1_281_167
"""In ImageNet-1k's training set (Russakovsky et al. 2015, arXiv 1409.0575)."""
_SIDE = 224


@dataclass(frozen=True)
class _Known:
    """A network of torchvision, the best weights that it has for it, and our name for it."""

    name: str
    build: Callable[[], nn.Module]
    weights: WeightsEnum
    paper: str


_NETWORKS: dict[Network, _Known] = {
    "mobilenet_v2": _Known(
        "mobilenet-imagenet",
        models.mobilenet_v2,
        models.MobileNet_V2_Weights.IMAGENET1K_V2,
        "MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381)",
    ),
    "mobilenet_v3_large": _Known(
        "mobilenet-v3-imagenet",
        models.mobilenet_v3_large,
        models.MobileNet_V3_Large_Weights.IMAGENET1K_V2,
        "MobileNetV3-Large (Howard et al. 2019, arXiv 1905.02244)",
    ),
    "resnet18": _Known(
        "resnet18-imagenet",
        models.resnet18,
        models.ResNet18_Weights.IMAGENET1K_V1,
        "ResNet-18 (He et al. 2015, arXiv 1512.03385)",
    ),
    "resnet50": _Known(
        "resnet50-imagenet",
        models.resnet50,
        models.ResNet50_Weights.IMAGENET1K_V2,
        "ResNet-50 (He et al. 2015, arXiv 1512.03385)",
    ),
}


def publish_pretrained(
    network: Network,
    store: Path,
    weights_path: Path | None = None,
    preprocessing: Preprocessing = "torchvision",
    name: str | None = None,
) -> Path:
    """Put torchvision's `network` on the shelf, with its weights or those of a file.

    Raises:
        RecipeError: the preprocessing is none that the network was ever trained with.
        DataError: the weights are not there, cannot be fetched or cannot be read.
        WeightsError: they are of another network.
    """
    started = time.perf_counter()
    known = _NETWORKS[network]
    if preprocessing == "tensorflow" and not network.startswith("mobilenet"):
        raise RecipeError(
            f"preprocessing tensorflow is for the mobilenets, not for {network}: its pooling "
            "would need other padding too"
        )
    path = _weights(known, weights_path)
    module = known.build()
    if preprocessing == "tensorflow":
        pad_as_tensorflow(module)
    fill(module, _tensors(path), path.name)
    model = _described(known, module, path, weights_path, preprocessing)
    chosen = name or known.name
    made = Provenance(
        recipe={
            "pretrained": network,
            "weights": path.name,
            "preprocessing": preprocessing,
        },
        command=_command(network, weights_path, preprocessing, name),
        seed=0,
        **Environment.here().model_dump(),
        duration_s=round(time.perf_counter() - started, 1),
    )
    return shelve(chosen, _card(known, weights_path), publication(model), made, store)


def _weights(known: _Known, path: Path | None) -> Path:
    if path is None:
        return fetched(known.weights.url, data_dir() / "imagenet", "--weights-path")
    found = located(path)
    if not found.is_file():
        raise DataError(f"there are no weights at {found} (--weights-path)")
    return found


def _tensors(path: Path) -> dict[str, Any]:
    return dict(read_state(path))


def _described(
    known: _Known,
    module: nn.Module,
    path: Path,
    weights_path: Path | None,
    preprocessing: Preprocessing,
) -> Imagenet:
    meta, ours = known.weights.meta, weights_path is not None
    mean, std = statistics_of("torchvision" if preprocessing == "torchvision" else "symmetric")
    return Imagenet(
        network=module,
        labels=tuple(meta["categories"]),
        mean=mean,
        std=std,
        # torchvision scales the shorter side to this and cuts out the centre; other weights are
        # shown as much of the picture as its first recipes showed.
        shorter_side=256 if ours else int(known.weights.transforms().resize_size[0]),
        side=_SIDE,
        source=DataSource(
            title=f"ImageNet-1k, by way of the pretrained weights {path.name} (hash of the file)",
            source=f"file {path.name}" if ours else known.weights.url,
            licence=licence_of(weights_path),
            sha256=sha256_of(path),
            n=PICTURES,
        ),
        metrics=() if ours else _published(meta),
    )


def _published(meta: dict[str, Any]) -> tuple[Metric, ...]:
    figures = meta["_metrics"]["ImageNet-1K"]
    return tuple(
        Metric(
            name=f"{name}/published",
            value=round(figures[key] / 100, 5),
            dataset="ImageNet-1k",
            split="validation",
            n=50_000,
            note="torchvision's own figure for these weights, not measured here",
        )
        for name, key in (("accuracy", "acc@1"), ("top5_accuracy", "acc@5"))
    )


def _card(known: _Known, weights_path: Path | None) -> Publish:
    return Publish(
        summary=f"Names what a photograph shows, of ImageNet's 1,000 things. {known.paper}.",
        intended_use=(
            "Photographs of one animal or object that is large in the picture. Trained by others: "
            "published here as it is, to be asked or to learn other classes from."
        ),
        limits=(
            "It always answers with one of its 1,000 classes: 118 kinds of dog, but of people only "
            "ballplayer, groom and scuba diver. Several things in one picture, drawings and text "
            "mislead it. Its pictures came from the internet of about 2010, mostly from Europe and "
            "North America, and its answers carry their biases. Not for decisions about people."
            + ("" if weights_path is None else " The accuracy of these weights was not measured.")
        ),
        licence=f"{licence_of(weights_path)} (weights); ImageNet's terms apply to its pictures",
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
