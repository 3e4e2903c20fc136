"""Photographs of coloured shapes, and a recipe that learns them in a blink."""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import nn
from torch.nn import functional
from torchvision.models import mobilenet_v2

from training.config.recipe import Recipe

_SHAPES = {
    "dots": ("ellipse", (230, 60, 40)),
    "boxes": ("rectangle", (40, 90, 230)),
    "bars": ("rectangle", (60, 200, 60)),
}

_CONTENT: dict[str, Any] = {
    "name": "shapes",
    "data": {"kind": "photos", "paths": ["shapes"], "size": 64, "folds": 2},
    "network": {
        "kind": "mobilenet", "classes": 2, "width": 0.25, "hidden": 32, "dropout": 0,
        "weights": "random",
    },
    "initializer": {"kind": "he", "fan": "in"},
    "task": {
        "kind": "transfer",
        "transforms": [{"kind": "resized_crop", "size": 48}, {"kind": "flip"}],
        "head": {"epochs": 100, "batch_size": 8, "lr": 0.001},
    },
    "optimizer": {"kind": "adamw", "lr": 0.00001},
    "schedule": {"kind": "cosine"},
    "epochs": 2,
    "batch_size": 4,
    "evaluate_every": 2,
    "seed": 3,
    "publish": {"summary": "s", "intended_use": "u", "limits": "l"},
}  # fmt: skip


def write_gray_images(folder: Path, count: int, first: int = 0) -> None:
    """Write `count` images, each of another grey."""
    folder.mkdir(parents=True)
    for index in range(count):
        Image.new("RGB", (12, 10), (first + index,) * 3).save(folder / f"{index}.png")


def write_photos(root: Path, count: int, classes: int = 2) -> Path:
    """Write `count` noisy images per class, each class with its shape and colour, to `root`."""
    random = np.random.default_rng(0)
    for name, (shape, color) in list(_SHAPES.items())[:classes]:
        (root / name).mkdir(parents=True)
        for index in range(count):
            # A network of random weights sees little more than colour.
            ground = np.array(color) // 2 + random.integers(0, 60, size=(70, 90, 3))
            image = Image.fromarray(ground.astype(np.uint8))
            left, top = random.integers(5, 30, size=2).tolist()
            box = (left, top, left + 40, top + (12 if name == "bars" else 36))
            getattr(ImageDraw.Draw(image), shape)(box, fill=color)
            image.save(root / name / f"{index}.png")
    return root


def write_weights(path: Path) -> Path:
    """Return random weights with matching batch statistics, as torchvision's state dict.

    Without those, 52 layers of random numbers make the same features of every image.
    """
    torch.manual_seed(0)
    network = mobilenet_v2(width_mult=0.25).train()
    # Coloured patches under noise, as floats of zero mean.
    images = functional.interpolate(torch.randn(32, 3, 4, 4), size=(64, 64))
    images = images + 0.3 * torch.randn(32, 3, 64, 64)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the statistics of the one batch that follows, undiluted
    with torch.no_grad():
        network.features(images)
    torch.save(network.state_dict(), path)
    return path


def content(
    root: Path, weights: Path | None = None, changes: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the recipe as in a YAML file; groups of fields are merged with `changes`."""
    whole = deepcopy(_CONTENT)
    whole["data"]["paths"] = [str(root)]
    if weights is not None:
        whole["network"] |= {"weights": "imagenet", "weights_path": str(weights)}
    for name, value in (changes or {}).items():
        merge = isinstance(value, dict) and "kind" not in value
        whole[name] = {**whole[name], **value} if merge else value
    return whole


def recipe(root: Path, **changes: Any) -> Recipe:
    return Recipe.model_validate(content(root, changes=changes))
