"""Classify images: labels with probabilities."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict

from models_store.tasks import Classification
from service.codecs.images import decode_resized
from service.errors import InvalidValue
from service.handlers.image_errors import annotate_image_index
from service.runtime.loaded_model import LoadedModel

_DEFAULT_TOP_K = 5


@dataclass(frozen=True)
class Prediction:
    """One label of an image."""

    __pydantic_config__ = ConfigDict(use_attribute_docstrings=True)

    label: str
    index: int
    """Position of the label among the model's labels, from 0."""
    probability: float


@dataclass(frozen=True)
class MemberVote:
    """The most probable label of one ensemble member."""

    label: str
    probability: float


@dataclass(frozen=True)
class ImageLabels:
    """Labels of one image."""

    predictions: list[Prediction]
    """Best first."""
    member_votes: list[MemberVote] | None
    """The best label of each member of an ensemble; None for a single network."""


def resolve_top_k(model: LoadedModel[Classification], top_k: int | None) -> int:
    """Return the number of labels in the response; the default depends on the model.

    Raises:
        InvalidValue: `top_k` is more than the model has.
    """
    label_count = len(model.task.labels)
    if top_k is None:
        return min(_DEFAULT_TOP_K, label_count)
    if top_k > label_count:
        raise InvalidValue(
            f"top_k is {top_k}; it must be 1 to {label_count}: {model.name} has {label_count} "
            "labels"
        )
    return top_k


def classify(
    model: LoadedModel[Classification],
    images: Sequence[bytes],
    *,
    top_k: int,
    max_pixels: int,
    check: Callable[[], None],
) -> list[ImageLabels]:
    """Label each of `images` (encoded files), in order; `check` is called before each.

    Raises:
        UnsupportedMediaType, InvalidValue, ContentTooLarge: a file is not an acceptable image;
            names it.
    """
    results: list[ImageLabels] = []
    for index, data in enumerate(images):
        check()
        with annotate_image_index(index, len(images)):
            image_HWC = decode_resized(data, model.task.image, max_pixels)
        # One image a run: on a CPU a batch makes a convolutional network hardly faster, and
        # this way memory does not grow with the number of images.
        outputs = model.graphs["model"].run({"images": image_HWC[np.newaxis]})
        results.append(_build_result(model.task.labels, outputs, top_k))
    return results


def _build_result(
    labels: Sequence[str], outputs: dict[str, NDArray[np.generic]], top_k: int
) -> ImageLabels:
    predictions = _top_predictions(labels, outputs["probabilities"][0], top_k)
    if "members" not in outputs:
        return ImageLabels(predictions, None)
    best = [_top_predictions(labels, member_K, 1)[0] for member_K in outputs["members"][0]]
    return ImageLabels(predictions, [MemberVote(vote.label, vote.probability) for vote in best])


def _top_predictions(
    labels: Sequence[str], probabilities_K: NDArray[np.generic], top_k: int
) -> list[Prediction]:
    # Stable, so that equal probabilities come in the order of the labels.
    order = np.argsort(-probabilities_K.astype(np.float64), kind="stable")[:top_k]
    return [
        Prediction(labels[index], index, float(probabilities_K[index])) for index in order.tolist()
    ]
