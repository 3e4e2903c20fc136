"""A recipe that trains in a blink, on the digits that scikit-learn ships."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from training.config.recipe import Recipe

_CONTENT: dict[str, Any] = {
    "name": "tiny",
    # 1,297 - 1,097 = 200 images to train on: 4 steps of 50 an epoch
    "data": {"kind": "digits", "validation_size": 1097},
    "network": {
        "kind": "resnet", "depth": 20, "stem": "cifar", "width": 4, "in_channels": 1, "classes": 10,
    },
    "initializer": {"kind": "he"},
    "task": {"kind": "classification", "transforms": [{"kind": "crop", "padding": 1}]},
    "optimizer": {"kind": "sgd", "lr": 0.1, "momentum": 0.9},
    "schedule": {"kind": "one_cycle"},
    "epochs": 4,
    "batch_size": 50,
    "seed": 3,
    "publish": {"summary": "s", "intended_use": "u", "limits": "l"},
}  # fmt: skip

DENOISING: dict[str, Any] = {
    "network": {"kind": "denoiser", "channels": 1, "widths": [4, 8]},
    "task": {
        "kind": "denoising",
        "noises": [
            {"name": "course", "label": "N(0.5, 0.1)", "mean": 0.5, "std": 0.1},
            {"name": "strong", "label": "σ = 0.5", "std": 0.5},
        ],
    },
}
"""Recipe overrides for a denoiser."""


COMPRESSION: dict[str, Any] = {
    "network": {"kind": "dense-autoencoder", "side": 8, "widths": [64], "latents": 8},
    "task": {"kind": "compression", "rate_weight": 0.002},
}
"""Recipe overrides for an autoencoder."""


def content(changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the recipe as in a YAML file, whole fields replaced by `changes`."""
    return {**deepcopy(_CONTENT), **(changes or {})}


def recipe(**changes: Any) -> Recipe:
    return Recipe.model_validate(content(changes))


ADVERSARIAL: dict[str, Any] = {
    "network": {
        "kind": "gan", "channels": 1, "latent": 4, "generator": [8], "discriminator": [8],
    },
    "initializer": {"kind": "normal", "std": 0.02},
    "task": {
        "kind": "adversarial",
        "discriminator_optimizer": {"kind": "adam", "lr": 0.001, "betas": [0.5, 0.99]},
        "transforms": [{"kind": "flip"}],
        "pictures_per_epoch": 100,
    },
    "optimizer": {"kind": "adam", "lr": 0.001, "betas": [0.5, 0.99]},
    "schedule": {"kind": "constant"},
    "ema_decay": 0.9,
    "epochs": 2,
}  # fmt: skip
"""Recipe overrides for a generator and a discriminator."""

PROJECTED: dict[str, Any] = {
    **ADVERSARIAL,
    "network": {
        "kind": "gan", "channels": 1, "latent": 4,
        "generator": {"kind": "fastgan", "widths": [8, 4]},
        "discriminator": {
            "kind": "projected", "weights": "random", "side": 32, "mixing": 2, "head": 4,
        },
    },
    "task": {**ADVERSARIAL["task"], "loss": "hinge", "augment": {"probability": 0.5}},
}  # fmt: skip
"""The same with FastGAN's generator and a discriminator that looks through frozen features."""
