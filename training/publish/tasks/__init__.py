"""How each task is published. Adding one: a module here that registers a builder."""

from training.publish.tasks import (
    adversarial,
    classification,
    compression,
    denoising,
    handwriting,
    language,
    photo_compression,
    photo_denoising,
    transfer,
)
from training.publish.tasks.registry import export_spec

__all__ = [
    "adversarial",
    "classification",
    "compression",
    "denoising",
    "export_spec",
    "handwriting",
    "language",
    "photo_compression",
    "photo_denoising",
    "transfer",
]
