"""The command `deepshelf`: one entry point for three packages."""

import os
import subprocess
import sys

import pytest

from models_store.layout import list_model_names
from tests.repository import ROOT

_RUN = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Refuse())
from deepshelf.cli import main
main()
"""


def _deepshelf(
    *arguments: str, missing: tuple[str, ...] = (), **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command where the `missing` packages cannot be imported."""
    return subprocess.run(
        [sys.executable, "-c", _RUN.format(missing=missing), *arguments],
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_names_the_commands_and_imports_no_large_package() -> None:
    done = _deepshelf(
        "--help", missing=("torch", "onnxruntime", "onnx", "numpy", "pydantic", "fastapi")
    )
    assert (done.returncode, done.stderr) == (0, "")
    for command in ("serve", "models", "train"):
        assert f" {command} " in done.stdout


@pytest.mark.parametrize(
    ("command", "line"),
    [("serve", "--port"), ("models", "verify"), ("train", "publish")],
)
def test_each_command_runs_without_torch(command: str, line: str) -> None:
    done = _deepshelf(command, "--help", missing=("torch", "onnx", "matplotlib"))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"deepshelf {command}" in done.stdout
    assert line in done.stdout


def test_error_without_training_packages_names_the_extra() -> None:
    done = _deepshelf("train", "fit", "resnet-digits", missing=("torch", "torchvision"))
    assert done.returncode == 1
    announced, error = done.stderr.splitlines()
    assert announced == "loading PyTorch …"
    assert error.startswith("error: No module named 'torch")
    assert error.endswith("Install it with: pip install 'deepshelf[training]'")


def test_client_without_httpx_names_the_extra() -> None:
    program = "import sys; sys.modules['httpx'] = None; import service.client"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: the client needs httpx: pip install 'deepshelf[client]'"
    )


def test_installation_without_training_is_reported() -> None:
    done = _deepshelf("train", "list", missing=("training",))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: this installation has no package 'training'\n"


def test_names_of_published_models_are_completed() -> None:
    done = _deepshelf(
        _DEEPSHELF_COMPLETE="complete_bash",
        COMP_WORDS="deepshelf models show charnn-",
        COMP_CWORD="3",
        DEEPSHELF_STORE=str(ROOT / "models_store"),
    )
    names = [name for name in list_model_names(ROOT / "models_store") if name[:7] == "charnn-"]
    assert names
    assert done.stdout.split() == names
