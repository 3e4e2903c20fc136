"""Publish a pretrained classifier of ImageNet's 1,000 classes.

Networks are those of torchvision by name, and `timm/NAME` of timm if installed. The weights are
torchvision's, downloaded with a checksum, or a file of the user's own. They are large and made by
others, so no such model comes with the project.
"""

import math
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from torch import nn
from torchvision import models
from torchvision.models import WeightsEnum

from models_store.manifest import Metric, Provenance
from models_store.validation_messages import suggest
from training.config.recipe import ModelCard
from training.datasets.data_dir import data_dir, resolve_data_path
from training.engine.environment import Environment
from training.errors import DataError, RecipeError
from training.networks.mobilenet import normalization_statistics, use_same_padding
from training.pretrained.files import load_weights_file
from training.pretrained.mobilenet import download_weights, imagenet_source, weights_licence
from training.pretrained.state import load_into
from training.publish.publisher import publish_model
from training.publish.tasks.imagenet import Preprocessing, export_spec

_TIMM = "timm/"
_CLASSES = 1000
_PAPERS = {
    "mobilenet_v2": "MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381)",
    "mobilenet_v3_large": "MobileNetV3-Large (Howard et al. 2019, arXiv 1905.02244)",
    "resnet18": "ResNet-18 (He et al. 2015, arXiv 1512.03385)",
    "resnet50": "ResNet-50 (He et al. 2015, arXiv 1512.03385)",
}
_PUBLISHED_NAMES = {
    "mobilenet_v2": "mobilenet-imagenet",
    "mobilenet_v3_large": "mobilenet-v3-imagenet",
}
_AUXILIARY = {"googlenet": ("aux1", "aux2"), "inception_v3": ("AuxLogits",)}
"""Classifiers beside the last one, which only training uses. These two networks also expect
`transform_input`, without which torchvision's weights see pixels on another scale."""

PreprocessingOption = Literal["torchvision", "tensorflow"]
"""`tensorflow`: pixels / 127.5 - 1, and SAME padding of convolutions of stride 2."""


@dataclass(frozen=True)
class Classifier:
    """A classifier of 1,000 classes without weights, and the preprocessing that they expect."""

    module: nn.Module
    published_name: str
    paper: str
    preprocessing: Preprocessing
    weights: WeightsEnum | None
    """torchvision's best weights; None for a network of timm."""


def build_classifier(network: str) -> Classifier:
    """Build a network of `torchvision.models.list_models`, or of timm.

    Raises:
        RecipeError: there is no such network, timm is not installed, or the network has other
            classes.
    """
    return _build_timm(network) if network.startswith(_TIMM) else _build_torchvision(network)


def _build_torchvision(network: str) -> Classifier:
    available = models.list_models(module=models)
    if network not in available:
        raise RecipeError(f"no network {network!r} in torchvision; {suggest(network, available)}")
    weights = models.get_model_weights(network).DEFAULT
    options: Mapping[str, Any] = (
        {"transform_input": True, "init_weights": False} if network in _AUXILIARY else {}
    )
    preset = weights.transforms()
    return Classifier(
        module=models.get_model(network, weights=None, **options),
        published_name=_PUBLISHED_NAMES.get(network, f"{network.replace('_', '-')}-imagenet"),
        paper=_PAPERS.get(network, f"torchvision's {network}"),
        preprocessing=Preprocessing(
            mean=list(preset.mean),
            std=list(preset.std),
            shorter_side=preset.resize_size[0],
            crop_side=preset.crop_size[0],
        ),
        weights=weights,
    )


def remove_auxiliary(network: str, module: nn.Module) -> None:
    """Remove in place the classifiers that only training uses."""
    for name in _AUXILIARY.get(network, ()):
        setattr(module, name, None)
    if network in _AUXILIARY:
        module.aux_logits = False  # type: ignore[assignment]  # a flag of these two networks


def _build_timm(network: str) -> Classifier:
    try:
        import timm
    except ModuleNotFoundError as error:
        raise RecipeError(f"{network} needs a package: pip install timm") from error
    name = network.removeprefix(_TIMM)
    if not timm.is_model(name):
        raise RecipeError(f"no network {name!r} in timm; {suggest(name, timm.list_models())}")
    module = timm.create_model(name)
    config = timm.data.resolve_model_data_config(module)
    if module.num_classes != _CLASSES:
        raise RecipeError(f"{network} has {module.num_classes} classes, not ImageNet's {_CLASSES}")
    side = int(config["input_size"][-1])
    published_name = "".join(c if c.isalnum() else "-" for c in name.lower())
    return Classifier(
        module=module,
        published_name=f"timm-{published_name}",
        paper=f"timm's {name}",
        preprocessing=Preprocessing(
            mean=list(config["mean"]),
            std=list(config["std"]),
            shorter_side=math.floor(side / config["crop_pct"]),
            crop_side=side,
            resize="stretch" if config["crop_mode"] == "squash" else "crop",
        ),
        weights=None,
    )


def publish_pretrained(
    network: str,
    store: Path,
    weights_path: Path | None = None,
    preprocessing: PreprocessingOption = "torchvision",
    name: str | None = None,
) -> Path:
    """Publish a network of torchvision with its own weights or those of a file, or one of timm.

    Raises:
        RecipeError: when there is no such network, or no weights of it were trained with the
            preprocessing.
        DataError: when the weights do not exist, or cannot be downloaded or read.
        WeightsError: when they are of another network.
    """
    started = time.perf_counter()
    if preprocessing == "tensorflow" and not network.startswith("mobilenet"):
        raise RecipeError(
            f"preprocessing tensorflow is for the mobilenets, got {network}, whose pooling "
            "would need other padding, too"
        )
    pretrained = build_classifier(network)
    path = _weights_file(pretrained, weights_path)
    if preprocessing == "tensorflow":
        use_same_padding(pretrained.module)
    load_into(pretrained.module, load_weights_file(path).tensors, path.name)
    remove_auxiliary(network, pretrained.module)
    own = pretrained.weights if weights_path is None else None
    spec = export_spec(
        pretrained.module,
        _preprocessing(pretrained, weights_path, preprocessing),
        imagenet_source(path, weights_path, None if own is None else own.url),
        () if own is None else _published_metrics(own.meta),
    )
    model_provenance = Provenance(
        recipe={"pretrained": network, "weights": path.name, "preprocessing": preprocessing},
        command=_command(network, weights_path, preprocessing, name),
        seed=0,
        **Environment.current().model_dump(),
        duration_s=round(time.perf_counter() - started, 1),
    )
    card = _model_card(pretrained, weights_path)
    published_name = name or pretrained.published_name
    return publish_model(published_name, card, spec, model_provenance, store)


def _weights_file(pretrained: Classifier, path: Path | None) -> Path:
    if path is None:
        if pretrained.weights is None:
            raise RecipeError("weights of timm are read from a file: set --weights-path")
        return download_weights(pretrained.weights.url, data_dir() / "imagenet", "--weights-path")
    weights_file = resolve_data_path(path)
    if not weights_file.is_file():
        raise DataError(f"there are no weights at {weights_file} (--weights-path)")
    return weights_file


def _preprocessing(
    pretrained: Classifier, weights_path: Path | None, option: PreprocessingOption
) -> Preprocessing:
    preprocessing = pretrained.preprocessing
    if option == "tensorflow":
        mean, std = normalization_statistics("symmetric")
        preprocessing = replace(preprocessing, mean=mean, std=std)
    # Weights of others for a crop of 224 get the 256 of torchvision's first recipes.
    others = pretrained.weights is not None and weights_path is not None
    if others and preprocessing.crop_side == 224:
        preprocessing = replace(preprocessing, shorter_side=256)
    return preprocessing


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


def _model_card(pretrained: Classifier, weights_path: Path | None) -> ModelCard:
    return ModelCard(
        summary=f"Classifies photographs into the 1,000 classes of ImageNet. {pretrained.paper}.",
        intended_use=(
            "Photographs of one animal or object that is large in the image. Trained by others and "
            "published unchanged, for use as it is or as a base for transfer learning."
        ),
        limits=(
            "It always chooses one of its 1,000 classes, which include 118 breeds of dog but no "
            "people except ballplayer, groom and scuba diver. Images of several objects, drawings "
            "and text mislead it. Its training images were collected on the internet around 2010, "
            "mostly from Europe and North America, and its predictions carry their biases. Not for "
            "decisions about people."
            + ("" if weights_path is None else " The accuracy of these weights was not measured.")
        ),
        licence=(
            f"{weights_licence(weights_path)} (weights); ImageNet's terms apply to its images"
        ),
    )


def _command(
    network: str, weights_path: Path | None, preprocessing: PreprocessingOption, name: str | None
) -> str:
    words = ["deepshelf", "train", "publish-pretrained", network]
    if weights_path is not None:
        words += ["--weights-path", weights_path.name]
    if preprocessing != get_args(PreprocessingOption)[0]:
        words += ["--preprocessing", preprocessing]
    if name is not None:
        words += ["--name", name]
    return shlex.join(words)
