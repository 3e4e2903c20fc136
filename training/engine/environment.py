"""`Environment`: the machine, the libraries and the code that a run was trained with."""

import contextlib
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Self

import torch

from models_store.base import FrozenModel
from models_store.hardware import describe_cpu

_FILE = "environment.json"
_LIBRARIES = ("torch", "torchvision", "lightning-fabric", "numpy", "onnx", "onnxruntime")


class Environment(FrozenModel):
    """Machine and libraries of the training, which may differ from those of the publication."""

    hardware: str
    libraries: dict[str, str]
    git_commit: str | None

    @classmethod
    def current(cls) -> Self:
        """Describe this machine, process and code."""
        return cls(hardware=_hardware(), libraries=_libraries(), git_commit=git_commit())

    @classmethod
    def load(cls, run_dir: Path) -> Self:
        """Load what `save` wrote; for a run without the file, describe this machine."""
        path = run_dir / _FILE
        return cls.model_validate_json(path.read_bytes()) if path.is_file() else cls.current()

    def save(self, run_dir: Path) -> None:
        """Write the environment to the run's folder."""
        (run_dir / _FILE).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _libraries() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in _LIBRARIES:
        # A machine that only trains may lack the libraries for publishing.
        with contextlib.suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


def _hardware() -> str:
    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} × {torch.cuda.get_device_name()}"
    return describe_cpu()


def git_commit(code: Path = Path(__file__)) -> str | None:
    """Return the commit of the code, with `-dirty` when files differ; None outside a checkout.

    An installed copy may lie inside a checkout, in its virtual environment, so `code` must be a
    file of the repository.
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
