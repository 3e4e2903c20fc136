"""What is asked of the shelf, and what it answers when nothing else goes on."""

import base64
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from models_store.verify import golden_cases, read_manifest
from tests.chaos.http import Answer, Connection, Question
from tests.chaos.service_process import Service

__all__ = ["Golden", "classify", "mixed", "text"]

EXAMPLES = Path("examples")
JSON = "application/json"
_PROMPTS = {"charnn-tiny": "1", "charnn-shakespeare": "My lord, "}


def classify(model: str = "resnet-cifar10", picture: str = "cat.jpg") -> Question:
    """One picture of the examples."""
    body = (EXAMPLES / picture).read_bytes()
    return Question(f"classify {model} {picture}", f"/v1/classify?model={model}", body)


def text(seed: int, length: int, *, model: str = "charnn-tiny", stream: bool = False) -> Question:
    """A text of `length` characters, the same for the same seed."""
    asked = {
        "model": model,
        "prompt": _PROMPTS[model],
        "max_chars": length,
        "seed": seed,
        "stream": stream,
    }
    name = f"text {model} {seed} {length}{' streamed' if stream else ''}"
    return Question(name, "/v1/text", json.dumps(asked).encode(), JSON)


def mixed(store: Path) -> list[Question]:
    """Every kind of request there is."""
    digit = (EXAMPLES / "digit.png").read_bytes()
    asked = {"model": "charnn-tiny", "prompt": "12 = ", "max_tokens": 60, "seed": 5}
    completion = json.dumps(asked).encode()
    return [
        classify(),
        classify(picture="noisy-digits.png"),
        classify("ensemble-cifar10"),
        Question("denoise", "/v1/denoise", (EXAMPLES / "noisy-digits.png").read_bytes()),
        Question("compress", "/v1/compress", digit),
        Question("compress json", "/v1/compress", digit, accept=JSON),
        Question("faces", "/v1/faces?count=4&seed=7", method="GET"),
        Question("handwriting", "/v1/handwriting?text=42&seed=7", method="GET"),
        *(text(seed, 200) for seed in range(3)),
        *(text(seed, 300, model="charnn-shakespeare", stream=True) for seed in range(3)),
        Question("openai", "/openai/v1/completions", completion, JSON),
        _infer(store, "resnet-cifar10"),
        _infer(store, "denoiser-mnist"),
    ]


def _infer(store: Path, model: str) -> Question:
    inputs = [
        {
            "name": name,
            "datatype": str(tensor.dtype).upper(),
            "shape": list(tensor.shape),
            "data": tensor.ravel().tolist(),
        }
        for name, tensor in _case(store, model)[0].items()
    ]
    body = json.dumps({"inputs": inputs}).encode()
    return Question(f"infer {model}", f"/v2/models/{model}/infer", body, JSON)


def _case(store: Path, model: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """A golden case of the training: inputs and outputs."""
    folder = max((store / model).iterdir(), key=lambda path: int(path.name))
    manifest = read_manifest(folder)
    graph = manifest.graphs()["model"]
    case = next(iter(golden_cases(folder / manifest.file("golden").path, graph, 1)))
    return dict(case.inputs), dict(case.outputs)


class Golden:
    """Answers by question."""

    def __init__(self) -> None:
        self._answers: dict[str, bytes] = {}

    async def learn(self, service: Service, questions: Iterable[Question]) -> None:
        """Ask each alone, twice; what the training stored is compared with that.

        Raises:
            RuntimeError: an answer is no 200, or is not the same twice.
        """
        async with Connection(service.port) as connection:
            for question in questions:
                answers = [await connection.ask(question) for _ in range(2)]
                first, second = (essence(question, answer) for answer in answers)
                if answers[0].status != 200 or first != second:
                    raise RuntimeError(f"{question.name}: {answers[0].status} {answers[0].body!r}")
                self._answers[question.name] = first

    def is_right(self, question: Question, answer: Answer) -> bool:
        return essence(question, answer) == self._answers[question.name]

    def compare_with_training(self, store: Path, models: Sequence[str]) -> float:
        """The largest deviation of what `/v2` said from what torch had computed."""
        worst = 0.0
        for model in models:
            _, outputs = _case(store, model)
            said = json.loads(self._answers[f"infer {model}"])["outputs"]
            for one in said:
                expected = outputs[one["name"]].astype(np.float64).ravel()
                worst = max(worst, float(np.abs(np.array(one["data"]) - expected).max()))
        return worst


def essence(question: Question, answer: Answer) -> bytes:
    """What must be the same whenever and by whichever version it is asked."""
    if "event-stream" in answer.headers.get("content-type", ""):
        return _written(answer.body)
    if answer.headers.get("content-type", "").startswith(JSON):
        told = json.loads(answer.body)
        for name in ("version", "model_version", "id", "created"):
            told.pop(name, None)
        return json.dumps(told, sort_keys=True).encode()
    if question.name == "compress":  # names the version that made it
        return b"code of %d bytes" % len(answer.body)
    return answer.body


def _written(events: bytes) -> bytes:
    *told, last = events.decode().strip().split("\n\n")
    if last != "data: [DONE]":
        return b"a stream that broke off: " + base64.b64encode(events[-60:])
    return "".join(json.loads(one.removeprefix("data: "))["text"] for one in told).encode()
