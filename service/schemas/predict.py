"""`POST /v1/predict`: tensors in plain JSON."""

from typing import Annotated, Any

from pydantic import Field

from models_store.manifest import Precision
from service.schemas.base import (
    ModelResponse,
    PrecisionSelector,
    RequestParams,
    ResponseModel,
    example,
)

_TensorName = Annotated[str, Field(min_length=1, max_length=256)]


class PredictParams(PrecisionSelector):
    """Selects the model, which must be named unless the operator chose a default."""


class PredictInputs(RequestParams):
    """The inputs of a graph."""

    model_config = example({"inputs": {"x": [[5.1, 3.5, 1.4, 0.2]]}})

    inputs: Annotated[dict[_TensorName, Any], Field(min_length=1, max_length=64)]
    """Each input's name and its values: nested lists, one level per dimension. The data type is
    the graph's. Where a graph that was added takes NaN or infinity, they are "NaN", "Infinity" and
    "-Infinity"."""


class PredictResponse(ModelResponse):
    """The outputs of a graph."""

    model_config = example(
        {
            "model": "iris",
            "version": 1,
            "outputs": {"label": ["setosa"], "probabilities": [[0.98, 0.02, 0.0]]},
        }
    )

    outputs: dict[str, Any]
    """Each output's name and its values, as nested lists. NaN and infinity are the strings "NaN",
    "Infinity" and "-Infinity"."""
    precision: Precision | None = None
    """Precision of the graph that ran; present only if the model has several."""


class SampleResponse(ResponseModel):
    """Inputs that a model accepts, as the body of a request to `/v1/predict`."""

    model_config = example({"inputs": {"x": [[5.1, 3.5, 1.4, 0.2]]}})

    inputs: dict[str, Any]
    """Each input's name and its values, as nested lists."""
