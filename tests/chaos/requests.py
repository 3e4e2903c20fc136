"""Requests to a service, and its responses without other load."""

import base64
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from models_store.verify import read_golden_cases, read_manifest
from tests.chaos.http import Connection, HttpRequest, HttpResponse
from tests.chaos.service_process import Service

EXAMPLES = Path("examples")
JSON = "application/json"
_PROMPTS = {"charnn-tiny": "1", "charnn-shakespeare": "My lord, "}


def classify_request(model: str = "resnet-cifar10", image: str = "cat.jpg") -> HttpRequest:
    """Return a request to classify one of the example images."""
    body = (EXAMPLES / image).read_bytes()
    return HttpRequest(f"classify {model} {image}", f"/v1/classify?model={model}", body)


def text_request(
    seed: int, length: int, *, model: str = "charnn-tiny", stream: bool = False
) -> HttpRequest:
    """Return a request for `length` characters; the same seed gives the same text."""
    params = {
        "model": model,
        "prompt": _PROMPTS[model],
        "max_chars": length,
        "seed": seed,
        "stream": stream,
    }
    name = f"text {model} {seed} {length}{' streamed' if stream else ''}"
    return HttpRequest(name, "/v1/text", json.dumps(params).encode(), JSON)


def mixed_requests(store: Path) -> list[HttpRequest]:
    """Return requests of every kind."""
    digit = (EXAMPLES / "digit.png").read_bytes()
    params = {"model": "charnn-tiny", "prompt": "12 = ", "max_tokens": 60, "seed": 5}
    completion = json.dumps(params).encode()
    return [
        classify_request(),
        classify_request(image="noisy-digits.png"),
        classify_request("ensemble-cifar10"),
        HttpRequest("denoise", "/v1/denoise", (EXAMPLES / "noisy-digits.png").read_bytes()),
        HttpRequest("compress", "/v1/compress", digit),
        HttpRequest("compress json", "/v1/compress", digit, accept=JSON),
        HttpRequest("faces", "/v1/faces?count=4&seed=7", method="GET"),
        HttpRequest("handwriting", "/v1/handwriting?text=42&seed=7", method="GET"),
        *(text_request(seed, 200) for seed in range(3)),
        *(text_request(seed, 300, model="charnn-shakespeare", stream=True) for seed in range(3)),
        HttpRequest("openai", "/openai/v1/completions", completion, JSON),
        _infer_request(store, "resnet-cifar10"),
        _infer_request(store, "denoiser-mnist"),
    ]


def _infer_request(store: Path, model: str) -> HttpRequest:
    inputs = [
        {
            "name": name,
            "datatype": str(tensor.dtype).upper(),
            "shape": list(tensor.shape),
            "data": tensor.ravel().tolist(),
        }
        for name, tensor in _golden_case(store, model)[0].items()
    ]
    body = json.dumps({"inputs": inputs}).encode()
    return HttpRequest(f"infer {model}", f"/v2/models/{model}/infer", body, JSON)


def _golden_case(store: Path, model: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the inputs and outputs of the first golden case, computed by torch."""
    folder = max((store / model).iterdir(), key=lambda path: int(path.name))
    manifest = read_manifest(folder)
    graph = manifest.graphs()["model"]
    case = next(iter(read_golden_cases(folder / manifest.get_file("golden").path, graph, 1)))
    return dict(case.inputs), dict(case.outputs)


class ExpectedResponses:
    """The expected response to each request."""

    def __init__(self) -> None:
        self._bodies: dict[str, bytes] = {}

    async def record(self, service: Service, requests: Iterable[HttpRequest]) -> None:
        """Send each request twice, one at a time, and record the response.

        Raises:
            RuntimeError: a response is not 200, or the two differ.
        """
        async with Connection(service.port) as connection:
            for request in requests:
                responses = [await connection.send(request) for _ in range(2)]
                first, second = (normalized_body(request, response) for response in responses)
                if responses[0].status != 200 or first != second:
                    raise RuntimeError(
                        f"{request.name}: {responses[0].status} {responses[0].body!r}"
                    )
                self._bodies[request.name] = first

    def matches(self, request: HttpRequest, response: HttpResponse) -> bool:
        return normalized_body(request, response) == self._bodies[request.name]

    def max_training_deviation(self, store: Path, models: Sequence[str]) -> float:
        """Return the largest deviation of the outputs of `/v2` from torch's."""
        max_deviation = 0.0
        for model in models:
            _, outputs = _golden_case(store, model)
            served_outputs = json.loads(self._bodies[f"infer {model}"])["outputs"]
            for output in served_outputs:
                expected = outputs[output["name"]].astype(np.float64).ravel()
                max_deviation = max(
                    max_deviation, float(np.abs(np.array(output["data"]) - expected).max())
                )
        return max_deviation


def normalized_body(request: HttpRequest, response: HttpResponse) -> bytes:
    """Return the part of a response that does not depend on time or version."""
    if "event-stream" in response.headers.get("content-type", ""):
        return _streamed_text(response.body)
    if response.headers.get("content-type", "").startswith(JSON):
        content = json.loads(response.body)
        for name in ("version", "model_version", "id", "created"):
            content.pop(name, None)
        return json.dumps(content, sort_keys=True).encode()
    if request.name == "compress":  # the code names the model's version
        return b"code of %d bytes" % len(response.body)
    return response.body


def _streamed_text(events: bytes) -> bytes:
    *events_before_end, last = events.decode().strip().split("\n\n")
    if last != "data: [DONE]":
        return b"incomplete stream: " + base64.b64encode(events[-60:])
    return "".join(
        json.loads(event.removeprefix("data: "))["text"] for event in events_before_end
    ).encode()
