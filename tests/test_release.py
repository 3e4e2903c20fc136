"""The release artefacts install and work in an empty environment."""

import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.repository import ROOT

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a source archive, and the wheel from it."""
    folder = tmp_path_factory.mktemp("dist")
    _run("-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT))
    return folder


def _run(*arguments: str, cwd: Path | None = None, site: Path | None = None) -> str:
    environment = {name: text for name, text in os.environ.items() if "DEEPSHELF" not in name}
    environment["PYTHONPATH"] = str(site or "")
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_code_and_schema_and_no_models(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {
        "models_store/manifest.schema.json",
        "service/page/index.html",
        "training/recipes/resnet-digits.yaml",
        f"deepshelf-{VERSION}.dist-info/licenses/LICENSE",
    } <= names
    assert {name.split("/")[0] for name in names} == {
        "deepshelf", "models_store", "service", "training", f"deepshelf-{VERSION}.dist-info",
    }  # fmt: skip
    assert [name for name in names if name.endswith((".onnx", ".npz"))] == []
    (source,) = dist.glob("*.tar.gz")
    with tarfile.open(source) as tar:
        assert [name for name in tar.getnames() if name.endswith((".onnx", ".npz"))] == []


def test_wheel_works_outside_the_checkout(dist: Path, tmp_path: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    site = tmp_path / "site"
    _run(
        "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check",
        "--target", str(site), str(wheel),
    )  # fmt: skip
    program = (
        "import importlib.metadata, service.settings, training, models_store; "
        "print(importlib.metadata.version('deepshelf'), service.__file__, training.__file__, "
        "models_store.__file__)"
    )
    version, *files = _run("-c", program, cwd=tmp_path, site=site).split()
    assert version == VERSION
    assert all(Path(file).is_relative_to(site) for file in files)
    (tmp_path / "store").mkdir()
    script = str(site / "bin" / "deepshelf")
    schema = _run(script, "models", "--store", "store", "schema", cwd=tmp_path, site=site)
    assert schema == (ROOT / "models_store/manifest.schema.json").read_text()
