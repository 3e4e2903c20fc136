"""ImageNet classifiers by name: those of torchvision, and `timm/NAME` of timm if installed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn
from torchvision import models
from torchvision.models import WeightsEnum

from models_store.validation_messages import suggest
from training.errors import RecipeError
from training.publish.tasks.imagenet import Preprocessing

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
