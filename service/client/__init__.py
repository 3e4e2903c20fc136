"""A typed client of `/v1`, in two kinds that differ by `await`: `Client` and `AsyncClient`.

    with Client("http://127.0.0.1:8000") as client:
        print(client.classify("cat.jpg").results[0].predictions[0].label)

Needs httpx (`pip install 'deepshelf[client]'`). A picture is a path, or the bytes of a file.
"""

from service.client.answers import ServiceProblem
from service.client.awaiting import AsyncClient
from service.client.blocking import Client
from service.client.calls import (
    ChosenModel,
    ClassifyParameters,
    FacesParameters,
    HandwritingParameters,
    TextParameters,
)

__all__ = [
    "AsyncClient",
    "ChosenModel",
    "ClassifyParameters",
    "Client",
    "FacesParameters",
    "HandwritingParameters",
    "ServiceProblem",
    "TextParameters",
]
