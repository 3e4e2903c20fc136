"""`/v2`: requests and responses of the Open Inference Protocol, with Triton's extensions.

Unknown fields are ignored, as the protocol's extensions require.
"""

from dataclasses import asdict
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt

from service.runtime.statistics import ModelStatistics
from service.schemas.base import ResponseModel, example

Parameters = dict[str, Any]
_NullableParameters = Annotated[
    Parameters, BeforeValidator(lambda value: {} if value is None else value)
]
_TensorName = Annotated[str, Field(min_length=1, max_length=256)]
_MAX_RANK = 8


class _RequestModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


class InferInput(_RequestModel):
    """An input tensor; its values are `data`, or bytes after the JSON."""

    name: _TensorName
    shape: Annotated[list[Annotated[StrictInt, Field(ge=1)]], Field(max_length=_MAX_RANK)]
    datatype: _TensorName
    """BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, FP16, FP32, FP64 or BYTES."""
    parameters: _NullableParameters = Field(default_factory=dict)
    """`binary_data_size`: length of this tensor's data after the JSON."""
    data: list[Any] | None = None
    """Row-major, flat or nested."""


class RequestedOutput(_RequestModel):
    """A requested output."""

    name: _TensorName
    parameters: _NullableParameters = Field(default_factory=dict)
    """`binary_data`: as bytes after the JSON; `classification`: that many best classes as BYTES."""


class InferRequest(_RequestModel):
    """An inference request."""

    model_config = example(
        {
            "inputs": [{"name": "text_input", "shape": [1], "datatype": "BYTES", "data": ["7 = "]}],
            "parameters": {"max_chars": 20, "stop": "\n"},
        }
    )

    id: Annotated[str, Field(max_length=256)] | None = None
    """Returned in the response."""
    parameters: _NullableParameters = Field(default_factory=dict)
    """`binary_data_output`: all outputs as bytes after the JSON; `precision`: fp32, or int8 where
    the model has been quantised; for texts, the sampling parameters."""
    inputs: Annotated[list[InferInput], Field(min_length=1, max_length=64)]
    outputs: Annotated[list[RequestedOutput], Field(max_length=64)] | None = None
    """Default: all outputs of the model."""


class OutputTensor(ResponseModel):
    """An output tensor; its values are `data`, or bytes after the JSON."""

    name: str
    datatype: str
    shape: list[int]
    parameters: Parameters | None = None
    data: list[Any] | None = None


class InferResponse(ResponseModel):
    """An inference response."""

    model_config = example(
        {
            "model_name": "charnn-tiny",
            "model_version": "1",
            "outputs": [
                {"name": "text_output", "datatype": "BYTES", "shape": [1], "data": ["seven"]}
            ],
        }
    )

    id: str | None = None
    model_name: str
    model_version: str
    parameters: Parameters | None = None
    """`precision` of the graph that ran; present only if the model has several."""
    outputs: list[OutputTensor]


class ProtocolError(ResponseModel):
    """Every error of this protocol."""

    model_config = example({"error": "there is no model 'resnet'; models: …"})

    error: str


class ServerLive(ResponseModel):
    model_config = example({"live": True})

    live: bool


class ServerReady(ResponseModel):
    model_config = example({"ready": True})

    ready: bool


class ModelReady(ResponseModel):
    model_config = example({"name": "resnet-cifar10", "ready": True})

    name: str
    ready: bool


class ServerMetadata(ResponseModel):
    """Name, version and supported extensions of the server."""

    model_config = example(
        {"name": "deepshelf", "version": "0.1.0", "extensions": ["binary_tensor_data"]}
    )

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(ResponseModel):
    """An input or output; -1 is a free dimension."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(ResponseModel):
    """Inputs and outputs of a model."""

    model_config = example(
        {
            "name": "resnet-cifar10",
            "versions": ["1"],
            "platform": "onnxruntime_onnx",
            "inputs": [{"name": "images", "datatype": "UINT8", "shape": [-1, 32, 32, 3]}],
            "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]}],
        }
    )

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class StatisticsResponse(ResponseModel):
    """Statistics of inferences over `/v2` since the process started."""

    model_config = example({"model_stats": [asdict(ModelStatistics("resnet-cifar10", "1"))]})

    model_stats: list[ModelStatistics]


class RepositoryIndexRequest(_RequestModel):
    """Filter of the repository index; an empty body lists all models."""

    ready: bool = False
    """Only versions that are ready."""


class RepositoryIndexEntry(ResponseModel):
    """One version of a model in the store."""

    model_config = example(
        {"name": "resnet-cifar10", "version": "1", "state": "READY", "reason": ""}
    )

    name: str
    version: str
    state: str
    """READY, LOADING or UNAVAILABLE."""
    reason: str
