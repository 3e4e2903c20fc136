"""Competing servers that serve the same model, each in a virtual environment of its own.

    python -m venv ENV && ENV/bin/pip install PACKAGES        # see `COMPETITORS`
    python -m benchmarks serve --peer bentoml --peer-python bentoml=ENV/bin/python

Without `--peer-python`, the environment is created in `build/` on first use. Each server is
started as its documentation shows, with as many workers as ours, by `with_….py`.
"""

import base64
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.servers import Server, free_port, running_server

_BUILD = Path("build/benchmarks")
_COMMON_PACKAGES = ("onnxruntime", "pillow", "numpy")


@dataclass(frozen=True)
class CompetitorRequest:
    """The request that a load generator posts."""

    path: str
    body: Path
    media_type: str


def _raw_request(image: Path, media_type: str) -> CompetitorRequest:
    return CompetitorRequest("/v1/classify", image, media_type)


def _json_request(image: Path, media_type: str) -> CompetitorRequest:
    del media_type
    return CompetitorRequest(
        "/v1/classify", _write_json(image, {"image": _base64(image)}), "application/json"
    )


def _v2_request(image: Path, media_type: str) -> CompetitorRequest:
    del media_type
    tensor = {"name": "image", "shape": [1], "datatype": "BYTES", "data": [_base64(image)]}
    body = _write_json(image, {"inputs": [tensor]})
    return CompetitorRequest("/v2/models/classifier/infer", body, "application/json")


def _base64(image: Path) -> str:
    return base64.b64encode(image.read_bytes()).decode()


def _write_json(image: Path, content: Mapping[str, object]) -> Path:
    path = _BUILD / f"{image.name}-{'-'.join(content)}.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@dataclass(frozen=True)
class Competitor:
    """Commands that install and start a competitor, and the request it expects."""

    packages: tuple[str, ...]
    probe: str
    arguments: Callable[[int, int], list[str]]
    """Interpreter arguments, from a port and a number of workers."""
    build_request: Callable[[Path, str], CompetitorRequest] = _raw_request
    """Builds the request from an image path and its media type."""

    @contextmanager
    def launch(
        self,
        python: Path,
        folder: Path,
        workers: int,
        extra_environment: Mapping[str, str] | None = None,
    ) -> Iterator[Server]:
        """Serve the model in `folder` inside the block. Raises RuntimeError: it does not start."""
        port = free_port()
        command = [str(python), *self.arguments(port, workers)]
        environment = {"PEER_MODEL": str(folder), "PEER_WORKERS": str(workers), "PYTHONPATH": "."}
        environment |= extra_environment or {}
        with running_server(command, environment, port, self.probe) as server:
            yield server


def _module_arguments(name: str, *extra_args: str) -> Callable[[int, int], list[str]]:
    def arguments(port: int, workers: int) -> list[str]:
        return ["-m", f"benchmarks.competitors.{name}", str(port), str(workers), *extra_args]

    return arguments


def _bentoml_arguments(module: str) -> Callable[[int, int], list[str]]:
    def arguments(port: int, workers: int) -> list[str]:
        del workers  # it reads them from its code
        service = f"benchmarks.competitors.{module}:Service"
        return ["-m", "bentoml", "serve", service, "--host", "127.0.0.1", "--port", str(port)]

    return arguments


COMPETITORS: Mapping[str, Competitor] = {
    "litserve": Competitor(
        ("litserve", *_COMMON_PACKAGES),
        "/health",
        _module_arguments("with_litserve"),
        _json_request,
    ),
    "bentoml": Competitor(
        ("bentoml", *_COMMON_PACKAGES), "/readyz", _bentoml_arguments("with_bentoml")
    ),
    "mlserver": Competitor(
        # 1.7 relies on an implicit event loop, which later versions of uvloop do not create.
        ("mlserver", "uvloop<0.22", *_COMMON_PACKAGES),
        "/v2/health/ready",
        _module_arguments("with_mlserver", str(_BUILD / "mlserver")),
        _v2_request,
    ),
    "ray": Competitor(
        ("ray[serve]", *_COMMON_PACKAGES), "/-/healthz", _module_arguments("with_ray")
    ),
}

BATCHING_COMPETITORS: Mapping[str, Competitor] = {
    "litserve": Competitor(
        COMPETITORS["litserve"].packages, "/health", _module_arguments("with_litserve_batching")
    ),
    "bentoml": Competitor(
        COMPETITORS["bentoml"].packages, "/readyz", _bentoml_arguments("with_bentoml_batching")
    ),
}


def competitor_interpreters(peers: list[str], interpreters: list[str]) -> dict[str, Path]:
    """Return the interpreter of each peer, from `interpreters` (NAME=PATH) or newly created.

    Raises:
        RuntimeError: there is no such peer or file, or its packages cannot be installed.
    """
    paths = dict(option.partition("=")[::2] for option in interpreters)
    unknown = sorted({*peers, *paths} - set(COMPETITORS))
    if unknown:
        raise RuntimeError(f"there is no peer {unknown[0]}; peers: {', '.join(COMPETITORS)}")
    missing = [path for path in paths.values() if not Path(path).is_file()]
    if missing:
        raise RuntimeError(f"there is no interpreter {missing[0]!r}; expected NAME=PATH")
    return {
        name: Path(paths[name]).absolute() if name in paths else _create_environment(name)
        for name in peers
    }


def _create_environment(peer: str) -> Path:
    folder = _BUILD / "environments" / peer
    python = folder / "bin" / "python"
    marker = folder / "done"
    if not marker.exists():
        commands = (
            [sys.executable, "-m", "venv", str(folder)],
            [str(python), "-m", "pip", "install", "--quiet", *COMPETITORS[peer].packages],
        )
        for command in commands:
            if subprocess.run(command, check=False).returncode:  # noqa: S603
                raise RuntimeError(f"the environment of {peer} could not be created")
        marker.touch()
    return python.absolute()
