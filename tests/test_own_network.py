"""`examples/own_network`: a network and data of one's own, from training to a served model."""

import shutil
import sys
from pathlib import Path

import pytest
import torch
import yaml

from models_store.cli import app as models
from models_store.verify import read_manifest
from tests.command_line import exit_code
from training.cli.main import app as train
from training.config.recipe import load_recipe
from training.engine.trainer import restore
from training.tasks.classification import Classification

EXAMPLE = Path(__file__).parent.parent / "examples" / "own_network"


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy the example into an empty folder, which becomes the current one."""
    folder = tmp_path / "work"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", "runs", "store"))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for module in ("nets", "mydata"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    return folder


def _run(*arguments: str) -> None:
    assert exit_code(train, *arguments) == 0


def test_it_is_trained_resumed_evaluated_published_and_quantized(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _run("fit", "shapes.yaml", "--run-dir", "run")
    _run("fit", "shapes.yaml", "--run-dir", "run", "--resume")
    capsys.readouterr()
    _run("evaluate", "run")
    accuracy = float(capsys.readouterr().out.split()[1])
    assert accuracy > 0.9
    _run("publish", "run", "--store", "store")
    _run("quantize", "shapes", "--store", "store")
    assert exit_code(models, "--store", "store", "verify") == 0

    manifest = read_manifest(workplace / "store" / "shapes" / "1")
    assert {metric.name: metric.value for metric in manifest.metrics if metric.precision == "fp32"}[
        "accuracy"
    ] == pytest.approx(accuracy, abs=0.01)
    assert manifest.provenance.recipe["network"]["target"] == "nets:ShapeNet"
    assert manifest.provenance.recipe["data"]["target"] == "mydata:load"
    assert manifest.graphs("int8")
    (source,) = manifest.data
    assert (source.title, source.licence, source.n) == ("drawn shapes", "CC0", 500)


def test_weights_that_were_trained_elsewhere_are_published(workplace: Path) -> None:
    _run("fit", "shapes.yaml", "--run-dir", "run", "--set", "epochs=1")
    run = Path("run")
    task = restore(load_recipe(str(run / "recipe.yaml")), run).task
    assert isinstance(task, Classification)
    torch.save({"state_dict": task.network_to_publish().state_dict()}, "weights.pt")

    _run("publish", "run", "--store", "store")
    _run("publish", "shapes.yaml", "--checkpoint", "weights.pt", "--store", "store")
    assert exit_code(models, "--store", "store", "verify") == 0
    trained, loaded = (read_manifest(workplace / "store" / "shapes" / v) for v in ("1", "2"))
    assert loaded.metrics == trained.metrics
    assert loaded.provenance.command == (
        "deepshelf train publish shapes.yaml --checkpoint weights.pt"
    )
    assert loaded.provenance.recipe["weights"]["file"] == "weights.pt"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("network", {"target": "netz:ShapeNet"}, "No module named 'netz'"),
        ("network", {"target": "nets:Shape"}, "module 'nets' has no attribute 'Shape'"),
        ("network", {"target": "nets"}, "network.target: must match"),
        ("network", {"args": {"width": 8}}, "missing a required argument: 'classes'"),
        ("network", {"target": "nets:nn.Module"}, "network.target: must match"),
        ("network", {"target": "builtins:dict", "args": {}}, "returned dict, not an nn.Module"),
        (
            "network",
            {"args": {"width": 8, "classes": 5}},
            "returns (2, 5) for two images, but a classifier of drawn shapes returns logits (2, 3)",
        ),
        (
            "data",
            {"target": "builtins:dict", "args": {}},
            "must return a mapping with train, test, labels",
        ),
        ("data", {"args": {"train": 0, "test": 9}}, "mydata:load (train) holds no images"),
    ],
)
def test_incompatible_settings_are_one_line(
    workplace: Path,
    capsys: pytest.CaptureFixture[str],
    field: str,
    value: dict[str, object],
    message: str,
) -> None:
    recipe = yaml.safe_load(Path("shapes.yaml").read_text())
    recipe[field].update(value)
    Path("wrong.yaml").write_text(yaml.safe_dump(recipe))
    assert exit_code(train, "fit", "wrong.yaml") == 1
    captured = capsys.readouterr().err
    assert message in captured
    assert captured.count("\n") == 1
