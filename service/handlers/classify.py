"""Pictures → labels with probabilities."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from models_store.tasks import Classification
from service.codecs.image_headers import told_size
from service.codecs.images import Limits, decode_fixed
from service.errors import Invalid
from service.handlers.image_errors import of_picture
from service.runtime.loaded_model import Published
from service.schemas.classify import Classified, ClassifyAnswer, Prediction, Vote

__all__ = ["check_top_k", "classify", "is_brief"]

_DEFAULT_TOP_K = 5
_BRIEF_S = 0.005
"""A probe, or whoever else is answered by the same event loop, waits so long at most for each
picture that came before it."""
_DECODED_PIXELS_PER_S = 20e6
"""At the least: PNG, whose decoders are slower than JPEG's, as measured in `codecs/images.py`."""


def check_top_k(model: Published[Classification], top_k: int | None) -> int:
    """The number of labels to tell, which depends on how many the model has.

    Raises:
        Invalid: more than there are.
    """
    there = len(model.task.labels)
    if top_k is None:
        return min(_DEFAULT_TOP_K, there)
    if top_k > there:
        raise Invalid(
            f"top_k is {top_k}, accepted is 1 to {there}: {model.name} has {there} labels"
        )
    return top_k


def is_brief(model: Published[Classification], pictures: Sequence[bytes]) -> bool:
    """Whether to label them takes less than `_BRIEF_S`.

    By the time that the graph took when it was loaded, and by the size that a header tells.
    """
    if len(pictures) > 1 or model.picture_s > _BRIEF_S:
        return False
    size = told_size(pictures[0])
    if size is None:
        return False
    return model.picture_s + size[0] * size[1] / _DECODED_PIXELS_PER_S <= _BRIEF_S


def classify(
    model: Published[Classification],
    pictures: Sequence[bytes],
    *,
    top_k: int,
    limits: Limits,
    check: Callable[[], None],
) -> ClassifyAnswer:
    """Label each of `pictures` (encoded files), in order; `check` is called before each.

    Raises:
        Unsupported, Invalid, TooLarge: a picture is not one; says which.
    """
    results = []
    for index, data in enumerate(pictures):
        check()
        with of_picture(index, len(pictures)):
            image_HWC = decode_fixed(data, model.task.image, limits)
        # One picture a run: on a CPU a batch makes a convolutional network hardly faster, and
        # this way memory does not grow with the number of pictures.
        outputs = model.graphs["model"].run({"images": image_HWC[np.newaxis]})
        results.append(_result(model.task.labels, outputs, top_k))
    if not model.others:
        return ClassifyAnswer(model=model.name, version=model.version, results=results)
    return ClassifyAnswer(
        model=model.name, version=model.version, results=results, precision=model.precision
    )


def _result(
    labels: Sequence[str], outputs: dict[str, NDArray[np.generic]], top_k: int
) -> Classified:
    predictions = _best(labels, outputs["probabilities"][0], top_k)
    if "members" not in outputs:
        return Classified(predictions=predictions)
    members_MK = outputs["members"][0]
    return Classified(predictions=predictions, members=[_vote(labels, row) for row in members_MK])


def _best(
    labels: Sequence[str], probabilities_K: NDArray[np.generic], top_k: int
) -> list[Prediction]:
    # Stable, so that equal probabilities come in the order of the labels.
    order = np.argsort(-probabilities_K.astype(np.float64), kind="stable")[:top_k]
    return [
        Prediction(label=labels[index], index=index, probability=float(probabilities_K[index]))
        for index in order.tolist()
    ]


def _vote(labels: Sequence[str], probabilities_K: NDArray[np.generic]) -> Vote:
    best = _best(labels, probabilities_K, 1)[0]
    return Vote(label=best.label, probability=best.probability)
