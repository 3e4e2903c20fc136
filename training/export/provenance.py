"""Where a model comes from: enough to get it again."""

import json
import os
import platform
import shlex
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from training.recipe import Recipe, built_in, load

__all__ = ["command", "git_commit", "hardware", "libraries", "public"]

_LIBRARIES = ("torch", "torchvision", "lightning-fabric", "numpy", "onnx", "onnxruntime")


def libraries() -> dict[str, str]:
    """Versions of what decides the numbers."""
    return {"python": platform.python_version()} | {name: version(name) for name in _LIBRARIES}


def hardware() -> str:
    """The accelerator, or the processor, with its count."""
    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} × {torch.cuda.get_device_name()}"
    return f"{_processor()}, {_cores()} cores"


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def git_commit() -> str | None:
    """The commit of the code in use, with `-dirty` when files differ; None outside a checkout."""
    here = Path(__file__).parent
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(  # noqa: S603  # a constant command
            command, cwd=here, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def public(recipe: Recipe, exclude: set[str] | None = None) -> dict[str, Any]:
    """The recipe as it may be shown to anyone: without the paths of the machine it ran on."""
    return recipe.model_dump(
        mode="json", by_alias=True, exclude=exclude, context={"published": True}
    )


def command(recipe: Recipe) -> str:
    """A command that fits the same recipe: the built-in one, with `--set` for what differs."""
    path = built_in().get(recipe.name)
    if path is None:
        return f"python -m training fit {recipe.name}.yaml"
    differences = _differences(public(recipe), public(load(recipe.name)))
    overrides = " ".join(f"--set {name}={shlex.quote(value)}" for name, value in differences)
    return f"python -m training fit {recipe.name} {overrides}".rstrip()


def _differences(
    ours: dict[str, Any], theirs: dict[str, Any], prefix: str = ""
) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in ours.items():
        other = theirs.get(key)
        if isinstance(value, dict) and isinstance(other, dict):
            found += _differences(value, other, f"{prefix}{key}.")
        elif value != other:
            # JSON is YAML: what this prints, --set reads back as the same value.
            found.append((f"{prefix}{key}", value if isinstance(value, str) else json.dumps(value)))
    return found
