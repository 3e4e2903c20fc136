"""Bodies of the Open Inference Protocol: JSON, and tensors as bytes after it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models_store.validation_messages import truncate
from service.codecs.tensors import Array, datatype_of, from_bytes, from_json, to_bytes, to_json
from service.errors import BadRequest, ContentTooLarge, InvalidValue
from service.handlers.tensor_inputs import TensorRequirement, check_shape
from service.routes.http.json_body import parse_json
from service.routes.v2.target import InferTarget
from service.schemas.v2 import (
    InferInput,
    InferRequest,
    InferResponse,
    OutputTensor,
    RequestedOutput,
)

_SHARED_MEMORY_PARAMETER = "shared_memory_region"


@dataclass(frozen=True)
class ParsedRequest:
    """A request, with the binary data of its inputs by name."""

    request: InferRequest
    binary_inputs: Mapping[str, bytes]

    def decode_inputs(self, requirements: Mapping[str, TensorRequirement]) -> dict[str, Array]:
        """Return all inputs as arrays. Raises InvalidValue: one does not meet its requirement."""
        received = [tensor.name for tensor in self.request.inputs]
        if sorted(received) != sorted(requirements):
            quoted = ", ".join(repr(truncate(name, 64)) for name in received)
            required = ", ".join(map(repr, requirements))
            raise InvalidValue(f"the inputs are {quoted}; required: {required}, each once")
        sizes: dict[str, int] = {}
        for tensor in self.request.inputs:
            _check_input(tensor, requirements[tensor.name], sizes)
        return {
            tensor.name: self._decode_tensor(tensor, requirements[tensor.name].finite)
            for tensor in self.request.inputs
        }

    def _decode_tensor(self, tensor: InferInput, finite: bool) -> Array:
        binary = self.binary_inputs.get(tensor.name)
        if binary is not None:
            return from_bytes(tensor.name, tensor.datatype, tensor.shape, binary, finite=finite)
        if tensor.data is None:
            raise InvalidValue(f"{tensor.name} has neither data nor binary_data_size")
        return from_json(tensor.name, tensor.datatype, tensor.shape, tensor.data)


def _check_input(tensor: InferInput, requirement: TensorRequirement, sizes: dict[str, int]) -> None:
    """`sizes` are those of named dimensions, as far as they are known."""
    name = tensor.name
    if tensor.datatype != requirement.datatype:
        raise InvalidValue(
            f"{name} is {truncate(tensor.datatype, 64)!r}; expected {requirement.datatype}"
        )
    check_shape(name, tensor.shape, requirement, sizes)


def parse_infer_request(
    body: bytes, json_bytes: str | None, *, max_json_bytes: int
) -> ParsedRequest:
    """Parse a body whose first `json_bytes` bytes are JSON; None means that all of it is.

    Raises:
        BadRequest: the length of the JSON is wrong, or it is not JSON.
        ContentTooLarge: the JSON has over `max_json_bytes` bytes.
        InvalidValue: fields are wrong; names each.
    """
    length = _json_bytes(body, json_bytes)
    if length > max_json_bytes:
        raise ContentTooLarge(
            f"the JSON has {length} bytes; the limit is {max_json_bytes}: send tensors as bytes",
            limit=max_json_bytes,
        )
    request = parse_json(body[:length], InferRequest)
    _reject_extensions(request)
    return ParsedRequest(request, _split_binary_inputs(request.inputs, memoryview(body)[length:]))


def _json_bytes(body: bytes, json_bytes: str | None) -> int:
    if json_bytes is None:
        return len(body)
    text = json_bytes.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 16 and int(text) <= len(body)):
        raise BadRequest(
            f"Inference-Header-Content-Length is {text[:20]!r}; expected a whole number up to "
            f"the body's {len(body)} bytes"
        )
    return int(text)


def _reject_extensions(request: InferRequest) -> None:
    if request.parameters.get("sequence_id"):
        raise InvalidValue("sequence_id: sequences are not supported here; send states as inputs")
    for tensor in (*request.inputs, *(request.outputs or ())):
        if _SHARED_MEMORY_PARAMETER in tensor.parameters:
            raise InvalidValue(f"{tensor.name}: shared memory is not supported here; send bytes")


def _split_binary_inputs(inputs: Sequence[InferInput], binary: memoryview) -> dict[str, bytes]:
    binary_inputs, offset = {}, 0
    for tensor in inputs:
        size = tensor.parameters.get("binary_data_size")
        if size is None:
            continue
        if type(size) is not int or size < 0:
            raise InvalidValue(f"{tensor.name}: binary_data_size is not a whole number")
        if tensor.data is not None:
            raise InvalidValue(f"{tensor.name} has both data and binary_data_size; send one")
        binary_inputs[tensor.name] = bytes(binary[offset : offset + size])
        offset += size
    if offset != len(binary):
        raise InvalidValue(
            f"binary_data_size adds up to {offset} bytes; the body has {len(binary)}"
        )
    return binary_inputs


def build_infer_response(
    parsed: ParsedRequest, target: InferTarget, outputs: Mapping[str, Array]
) -> tuple[bytes, int | None]:
    """Return the response body, and the length of its JSON if binary data follow, else None.

    Raises InvalidValue: an output is requested as JSON, which cannot represent it.
    """
    request = parsed.request
    binary = request.parameters.get("binary_data_output") is True
    requested = request.outputs or [RequestedOutput(name=output) for output in outputs]
    tensors, binary_parts = [], []
    for requested_output in requested:
        array = outputs[requested_output.name]
        fields: dict[str, Any] = {
            "name": requested_output.name,
            "datatype": datatype_of(array),
            "shape": list(array.shape),
        }
        if requested_output.parameters.get("binary_data", binary) is True:
            binary_parts.append(to_bytes(array))
            fields["parameters"] = {"binary_data_size": len(binary_parts[-1])}
        else:
            fields["data"] = to_json(requested_output.name, array)
        tensors.append(OutputTensor.model_construct(**fields))
    extra: dict[str, Any] = {} if request.id is None else {"id": request.id}
    if target.model.variants:  # present only if there is a choice
        extra["parameters"] = {"precision": target.model.precision}
    response = InferResponse(
        **extra, model_name=target.name, model_version=str(target.model.version), outputs=tensors
    )
    header = response.to_json()
    return b"".join([header, *binary_parts]), len(header) if binary_parts else None
