"""Pictures → labels with probabilities."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from models_store.tasks import Classification
from service.codecs.images import Limits, decode_fixed
from service.errors import Invalid
from service.handlers.pictures import of_picture
from service.runtime.published import Published
from service.schemas.classify import Classified, ClassifyAnswer, Prediction, Vote

__all__ = ["check_top_k", "classify"]

_DEFAULT_TOP_K = 5


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
    return ClassifyAnswer(model=model.name, version=model.version, results=results)


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
