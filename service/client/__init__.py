"""A typed client of `/v1`: `Client` blocks, `AsyncClient` has the same methods as coroutines.

    with Client("http://127.0.0.1:8000") as client:
        print(client.classify("cat.jpg").results[0].predictions[0].label)

Needs httpx (`pip install 'deepshelf[client]'`). An image is a path, or the bytes of a file.
"""

from service.client.async_client import AsyncClient
from service.client.requests import (
    ClassifyParameters,
    CompressParameters,
    DenoiseParameters,
    FacesParameters,
    HandwritingParameters,
    ModelParameters,
    TextParameters,
)
from service.client.responses import ApiError
from service.client.sync_client import Client

__all__ = [
    "ApiError",
    "AsyncClient",
    "ClassifyParameters",
    "Client",
    "CompressParameters",
    "DenoiseParameters",
    "FacesParameters",
    "HandwritingParameters",
    "ModelParameters",
    "TextParameters",
]
