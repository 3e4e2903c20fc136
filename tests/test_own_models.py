"""Every block of `docs/own-models.md` runs, and responses equal the libraries' outputs."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.server import running_server
from tests.fakes.image_models import MeanColorClassifier, publish_image_model
from tests.repository import ROOT
from tests.test_readme import ADDRESS, BLOCK, run
from tests.waiting import LIMIT_S, wait_until

PAGE = (ROOT / "docs" / "own-models.md").read_text(encoding="utf-8")
HOST = ADDRESS.removeprefix("http://")


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[str, str, str]]]:
    """Run the blocks in order in one folder; return kind, text and output of each."""
    folder = tmp_path_factory.mktemp("own-models")
    (folder / "examples").symlink_to(ROOT / "examples")
    store = folder / "my-models"
    publish_image_model(store, "paint", MeanColorClassifier())  # an empty store is not ready
    with running_server(store, folder / "log", store_poll_interval_s=0.2) as server:
        yield [_run(kind, text, folder, server.url) for kind, text in BLOCK.findall(PAGE)]


def _run(kind: str, text: str, folder: Path, url: str) -> tuple[str, str, str]:
    block = text.replace(ADDRESS, url).replace(HOST, url.removeprefix("http://"))
    if kind == "python":
        (folder / "program.py").write_text(block)
        return kind, text, run("python program.py", folder)
    if kind != "sh" or "deepshelf serve" in text:
        return kind, text, ""
    output = run(block, folder)
    names = re.findall(r" add .*--name (\S+)", text)
    with httpx.Client(base_url=url, timeout=LIMIT_S) as client:
        wait_until(lambda: all(client.get(f"/v2/models/{name}/ready").is_success for name in names))
    return kind, text, output


def _of(outputs: list[tuple[str, str, str]], words: str) -> str:
    return next(output for _, text, output in outputs if words in text)


def test_pipeline_matches_scikit_learn(outputs: list[tuple[str, str, str]]) -> None:
    printed = [float(value) for value in re.findall(r"[\d.]+", _of(outputs, "predict_proba"))]
    received = json.loads(_of(outputs, "predict?model=iris"))
    shown = json.loads(next(text for kind, text, _ in outputs if kind == "json"))
    assert received["outputs"]["output_label"] == shown["outputs"]["output_label"]
    for response in (received, shown):
        (row,) = response["outputs"]["output_probability"]
        assert row == pytest.approx(printed, abs=1e-3)
    found = next(text for kind, text, _ in outputs if kind == "text")
    assert found in _of(outputs, "add iris.onnx")


def test_network_matches_torchvision(outputs: list[tuple[str, str, str]]) -> None:
    label, probability = _of(outputs, "torch.onnx.export").split("\n")[-2].rsplit(" ", 1)
    assert f"sample      cat.jpg: {label} " in _of(outputs, "add resnet18.onnx")
    (best,) = json.loads(_of(outputs, "classify?model=resnet18"))["results"][0]["predictions"]
    assert best["label"] == label
    assert best["probability"] == pytest.approx(float(probability), rel=0.01)


def test_onnx_file_of_a_wheel_matches_onnxruntime(outputs: list[tuple[str, str, str]]) -> None:
    expected = json.loads(_of(outputs, "onnxruntime.InferenceSession"))
    received = json.loads(_of(outputs, "predict?model=logreg-iris"))["outputs"]
    assert received["label"] == expected["label"]
    assert received["probabilities"][0] == pytest.approx(expected["probabilities"][0], abs=1e-5)


def test_other_clients_get_the_same_response(outputs: list[tuple[str, str, str]]) -> None:
    assert _of(outputs, "tritonclient").split() == ["[0]", "[0]"]
