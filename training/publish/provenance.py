"""Where a model comes from: enough to get it again."""

import contextlib
import json
import os
import platform
import re
import shlex
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

import torch
import yaml

from models_store.base import FrozenModel
from training.config.recipe import Recipe, built_in_recipes, load_recipe

__all__ = ["Environment", "fit_command", "git_commit", "public_recipe"]

_FILE = "environment.json"
_LIBRARIES = ("torch", "torchvision", "lightning-fabric", "numpy", "onnx", "onnxruntime")
_WORD = re.compile(r"[\w.-]+")


class Environment(FrozenModel):
    """Where and with what a run was trained, which need not be where it is published."""

    hardware: str
    libraries: dict[str, str]
    git_commit: str | None

    @classmethod
    def current(cls) -> Self:
        """This machine, this process, this code."""
        return cls(hardware=_hardware(), libraries=_libraries(), git_commit=git_commit())

    @classmethod
    def load(cls, run_dir: Path) -> Self:
        """What `save` wrote; of a run that has no such file, this machine."""
        path = run_dir / _FILE
        return cls.model_validate_json(path.read_bytes()) if path.is_file() else cls.current()

    def save(self, run_dir: Path) -> None:
        """Write it beside the run's other files."""
        (run_dir / _FILE).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _libraries() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in _LIBRARIES:
        # A machine that only trains need not have what only publishing needs.
        with contextlib.suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


def _hardware() -> str:
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


def git_commit(code: Path = Path(__file__)) -> str | None:
    """The commit of the code in use, with `-dirty` when files differ; None outside a checkout.

    An installed copy may lie within somebody's checkout, in its virtual environment: `code` must
    be a file of the repository.
    """
    try:
        _git(code.parent, "ls-files", "--error-unmatch", code.name)
        return _git(code.parent, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    result = subprocess.run(  # noqa: S603  # the arguments are this module's own
        ["git", *arguments],  # noqa: S607  # wherever git is installed
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return result.stdout.strip()


def public_recipe(recipe: Recipe, exclude: set[str] | None = None) -> dict[str, Any]:
    """The recipe as it may be shown to anyone: without the paths of the machine it ran on."""
    return recipe.model_dump(
        mode="json", by_alias=True, exclude=exclude, context={"published": True}
    )


def fit_command(recipe: Recipe) -> str:
    """A command that fits the same recipe: the built-in one, with `--set` for what differs."""
    path = built_in_recipes().get(recipe.name)
    if path is None:
        return f"python -m training fit {recipe.name}.yaml"
    differences = _differences(public_recipe(recipe), public_recipe(load_recipe(recipe.name)))
    overrides = " ".join(f"--set {name}={shlex.quote(value)}" for name, value in differences)
    return f"python -m training fit {recipe.name} {overrides}".rstrip()


def _differences(
    fields: dict[str, Any], base_fields: dict[str, Any], prefix: str = ""
) -> list[tuple[str, str]]:
    differences: list[tuple[str, str]] = []
    for key, value in fields.items():
        other = base_fields.get(key)
        if isinstance(value, dict) and isinstance(other, dict) and value.keys() == other.keys():
            differences += _differences(value, other, f"{prefix}{key}.")
        elif value != other:
            # Of another kind, with other fields: named one by one, the old fields would stay.
            differences.append((f"{prefix}{key}", _as_yaml(value)))
    return differences


def _as_yaml(value: object) -> str:
    """What `--set` reads back as the same value. JSON is YAML; a plain word needs no quotes."""
    if isinstance(value, str) and _WORD.fullmatch(value) and yaml.safe_load(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)
