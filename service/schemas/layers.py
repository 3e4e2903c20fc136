"""`GET /v1/models/{name}/filters`: a model's layers."""

from typing import Annotated

from pydantic import Field

from service.schemas.base import ModelResponse, ResponseModel, example
from service.schemas.models import VersionParams


class LayerParams(VersionParams):
    """Selects a layer of a version."""

    layer: Annotated[str, Field(max_length=256, examples=["conv1"])] | None = None
    """Name of the layer, as `/v1/models/{name}/filters` lists it. Default: the first."""


class LayerSummary(ResponseModel):
    """One layer with weights."""

    name: str
    operator: str
    """ONNX operator: Conv, ConvTranspose, Gemm, MatMul, LSTM, GRU."""
    graph: str
    """Role of the layer's graph, such as model, encoder or decoder."""
    shape: list[int]
    """Number of filters, inputs of each, height and width of the window."""
    filters: int
    dead: int
    """Filters whose weights are all below a thousandth of the layer's largest."""
    largest: float
    """The largest absolute weight."""


class FiltersResponse(ModelResponse):
    """Layers in the order of computation."""

    model_config = example(
        {
            "model": "resnet-cifar10",
            "version": 1,
            "layers": [
                {
                    "name": "conv1",
                    "operator": "Conv",
                    "graph": "model",
                    "shape": [32, 3, 3, 3],
                    "filters": 32,
                    "dead": 0,
                    "largest": 1.0055735111236572,
                }
            ],
        }
    )

    layers: list[LayerSummary]
