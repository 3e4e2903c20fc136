"""Labelled images of the user's own: arrays that a function returns.

Shapes: N images, H height, W width, C channels.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field, JsonValue, NonNegativeInt

from models_store.base import FrozenModel
from training.datasets.base import ImageData, ImageSplit, split_validation, validate_split
from training.errors import DataError
from training.python_target import Target, call_target

_REQUIRED = ("train", "test", "labels")


class PythonData(FrozenModel):
    """`target` is called with `args` and returns a mapping.

    `train` and `test` are pairs of images, uint8 (N, H, W) or (N, H, W, C), and classes, integers
    (N,). `labels` names the classes. `title`, `licence` and `source` are for the model card.
    """

    kind: Literal["python"] = "python"
    target: Target
    args: dict[str, JsonValue] = Field(default_factory=dict)
    validation_size: NonNegativeInt = 0

    def load(self) -> ImageData:
        """Raise DataError if the function returns something else, and RecipeError without it."""
        content = call_target(self.target, self.args)
        if not isinstance(content, Mapping) or not set(_REQUIRED) <= set(content):
            raise DataError(f"{self.target} must return a mapping with {', '.join(_REQUIRED)}")
        labels = tuple(map(str, content["labels"]))
        splits = {name: self._split(content[name], name) for name in ("train", "test")}
        shape = splits["train"].images_NCHW.shape
        for name, split in splits.items():
            validate_split(
                split, f"{self.target} ({name})", len(labels), (shape[1], shape[2], shape[3])
            )
        data = ImageData(
            title=str(content.get("title", self.target)),
            licence=str(content.get("licence", "not stated")),
            source=str(content.get("source", self.target)),
            labels=labels,
            train=splits["train"],
            test=splits["test"],
        )
        return split_validation(data, self.validation_size)

    def _split(self, pair: Any, name: str) -> ImageSplit:
        images, classes = (np.asarray(array) for array in pair)
        if images.dtype != np.uint8 or images.ndim not in (3, 4):
            raise DataError(
                f"{self.target}: images of {name} must be uint8 of shape (N, H, W) or "
                f"(N, H, W, C), got {images.dtype} of shape {images.shape}"
            )
        images_NHWC = images[..., None] if images.ndim == 3 else images
        return ImageSplit(
            torch.from_numpy(np.ascontiguousarray(images_NHWC.transpose(0, 3, 1, 2))),
            torch.from_numpy(classes.astype(np.int64)),
        )
