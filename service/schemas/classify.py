"""`POST /v1/classify`."""

from typing import Annotated

from pydantic import Field

from models_store.manifest import Precision
from service.handlers.classify import MemberVote, Prediction
from service.schemas.base import ModelResponse, PrecisionSelector, ResponseModel, example


class ClassifyParams(PrecisionSelector):
    """Parameters of classification."""

    top_k: Annotated[int, Field(ge=1, examples=[3])] | None = None
    """Labels per image, best first; at most as many as the model has. Default: 5."""


class ImageClassification(ResponseModel):
    """One image's labels."""

    predictions: list[Prediction]
    """Best first."""
    members: list[MemberVote] | None = None
    """Only for an ensemble: each member's vote, in the members' order."""


class ClassifyResponse(ModelResponse):
    """Labels of each image, in the order in which they were sent."""

    model_config = example(
        {
            "model": "resnet-cifar10",
            "version": 1,
            "results": [
                {
                    "predictions": [
                        {"label": "cat", "index": 3, "probability": 0.953},
                        {"label": "dog", "index": 5, "probability": 0.031},
                    ]
                }
            ],
        }
    )

    results: list[ImageClassification]
    precision: Precision | None = None
    """Precision of the graph that ran; present only if the model has several."""
