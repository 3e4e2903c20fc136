"""Every program in `examples/` runs, against the models that are committed."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.e2e.server import running_server
from tests.repository import ROOT

EXPECTED_OUTPUT = {
    "classify.py": "99.8%  cat",
    "compress.py": "48 bytes of code",
    "many_at_once.py": "127 one hundred twenty-seven",
    "open_inference.py": "cat",
    "predict.py": "cat",
    "write.py": "seven",
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    models = "resnet-cifar10,autoencoder-mnist-conv,charnn-tiny"
    log = tmp_path_factory.mktemp("examples") / "log"
    with running_server(ROOT / "models_store", log, models=models) as server:
        yield server.url


def test_every_program_is_tested() -> None:
    assert sorted(EXPECTED_OUTPUT) == sorted(path.name for path in (ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("name", EXPECTED_OUTPUT)
def test_a_program_prints_the_expected_output(name: str, url: str) -> None:
    process = subprocess.run(
        [sys.executable, "-W", "error", ROOT / "examples" / name, url],
        cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    assert EXPECTED_OUTPUT[name] in process.stdout
