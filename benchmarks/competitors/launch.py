"""Servers that others make, serving the same model, each in a virtual environment of its own.

    python -m venv ENV && ENV/bin/pip install PACKAGES        # see `OTHERS`
    python -m benchmarks serve --peer bentoml --peer-python bentoml=ENV/bin/python

Without `--peer-python`, the environment is made in `build/` when it is first asked for. Each is
started as its documentation shows, with as many workers as ours, by `peers/with_….py`.
"""

import base64
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.servers import Server, free_port, started

__all__ = ["OTHERS", "Other", "Question", "pythons"]

_BUILD = Path("build/benchmarks")
_WITH_ALL = ("onnxruntime", "pillow", "numpy")


@dataclass(frozen=True)
class Question:
    """What a client posts."""

    path: str
    body: Path
    media_type: str


def _raw(picture: Path, media_type: str) -> Question:
    return Question("/v1/classify", picture, media_type)


def _in_json(picture: Path, media_type: str) -> Question:
    del media_type
    return Question("/v1/classify", _json(picture, {"image": _base64(picture)}), "application/json")


def _open_inference(picture: Path, media_type: str) -> Question:
    del media_type
    tensor = {"name": "image", "shape": [1], "datatype": "BYTES", "data": [_base64(picture)]}
    body = _json(picture, {"inputs": [tensor]})
    return Question("/v2/models/classifier/infer", body, "application/json")


def _base64(picture: Path) -> str:
    return base64.b64encode(picture.read_bytes()).decode()


def _json(picture: Path, question: Mapping[str, object]) -> Path:
    path = _BUILD / f"{picture.name}-{'-'.join(question)}.json"
    path.write_text(json.dumps(question), encoding="utf-8")
    return path


@dataclass(frozen=True)
class Other:
    """How one is installed, started and asked."""

    packages: tuple[str, ...]
    probe: str
    arguments: Callable[[int, int], list[str]]
    """Of its interpreter, for a port and so many workers."""
    question: Callable[[Path, str], Question] = _raw
    """For a picture and its media type."""

    @contextmanager
    def serving(self, python: Path, folder: Path, workers: int) -> Iterator[Server]:
        """The model in `folder`, until the block ends. Raises RuntimeError: it does not start."""
        port = free_port()
        command = [str(python), *self.arguments(port, workers)]
        more = {"PEER_MODEL": str(folder), "PEER_WORKERS": str(workers), "PYTHONPATH": "."}
        with started(command, more, port, self.probe) as server:
            yield server


def _module(name: str, *more: str) -> Callable[[int, int], list[str]]:
    def arguments(port: int, workers: int) -> list[str]:
        return ["-m", f"benchmarks.competitors.{name}", str(port), str(workers), *more]

    return arguments


def _bentoml(port: int, workers: int) -> list[str]:
    del workers  # it reads them from its code
    service = "benchmarks.competitors.with_bentoml:Service"
    return ["-m", "bentoml", "serve", service, "--host", "127.0.0.1", "--port", str(port)]


OTHERS: Mapping[str, Other] = {
    "litserve": Other(("litserve", *_WITH_ALL), "/health", _module("with_litserve"), _in_json),
    "bentoml": Other(("bentoml", *_WITH_ALL), "/readyz", _bentoml),
    "mlserver": Other(
        # 1.7 asks for an event loop where later uvloops make none.
        ("mlserver", "uvloop<0.22", *_WITH_ALL),
        "/v2/health/ready",
        _module("with_mlserver", str(_BUILD / "mlserver")),
        _open_inference,
    ),
    "ray": Other(("ray[serve]", *_WITH_ALL), "/-/healthz", _module("with_ray")),
}


def pythons(peers: list[str], given: list[str]) -> dict[str, Path]:
    """The interpreter of each peer; `given` are NAME=PATH, what is not among them is made.

    Raises:
        RuntimeError: there is no such peer or file, or its packages cannot be installed.
    """
    paths = dict(one.partition("=")[::2] for one in given)
    unknown = sorted({*peers, *paths} - set(OTHERS))
    if unknown:
        raise RuntimeError(f"there is no peer {unknown[0]}; there are: {', '.join(OTHERS)}")
    missing = [path for path in paths.values() if not Path(path).is_file()]
    if missing:
        raise RuntimeError(f"there is no interpreter {missing[0]!r}; wanted is NAME=PATH of one")
    return {name: Path(paths[name]).absolute() if name in paths else _made(name) for name in peers}


def _made(peer: str) -> Path:
    folder = _BUILD / "environments" / peer
    python = folder / "bin" / "python"
    done = folder / "done"
    if not done.exists():
        commands = (
            [sys.executable, "-m", "venv", str(folder)],
            [str(python), "-m", "pip", "install", "--quiet", *OTHERS[peer].packages],
        )
        for command in commands:
            if subprocess.run(command, check=False).returncode:  # noqa: S603
                raise RuntimeError(f"the environment of {peer} could not be made")
        done.touch()
    return python.absolute()
