"""Responses that several routes build."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from models_store.tasks import Task
from service.runtime.loaded_model import LoadedModel
from service.schemas.base import ResponseModel

JSON, PNG = "application/json", "image/png"
BINARY = {"schema": {"type": "string", "format": "binary"}}
"""OpenAPI's media type object of bytes."""


def model_fields(model: LoadedModel[Task], **optional: object) -> dict[str, Any]:
    """Return response fields that name the model, and its precision if it has several.

    Those of `optional` that are not None are added.
    """
    precision = {"precision": model.precision} if model.variants else {}
    present = {name: value for name, value in optional.items() if value is not None}
    return {"model": model.name, "version": model.version, **precision, **present}


def model_headers(model: LoadedModel[Task], **values: object) -> dict[str, str]:
    """Return headers that name the model, and each of `values` that is not None.

    The keyword `PSNR_dB` becomes the header `X-DeepShelf-PSNR-dB`.
    """
    headers = {"X-DeepShelf-Model": model.name, "X-DeepShelf-Version": str(model.version)}
    for name, value in values.items():
        if value is not None:
            headers[f"X-DeepShelf-{name.replace('_', '-')}"] = str(value)
    return headers


def json_response(body: ResponseModel, headers: Mapping[str, str] | None = None) -> Response:
    """Return `body` as JSON, without the fields that were not set."""
    return Response(body.to_json(), headers=headers, media_type=JSON)


def format_fixed(value: float | None, digits: int) -> str | None:
    """Return `value` with `digits` decimals; None stays None."""
    return None if value is None else f"{value:.{digits}f}"
