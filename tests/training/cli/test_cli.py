import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from PIL import Image

from models_store.verify import read_manifest
from tests.command_line import exit_code
from tests.repository import ROOT
from tests.training.tiny import content
from training.cli.main import app
from training.config.recipe import built_in_recipes

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Return a function that runs a command in an empty folder: exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DEEPSHELF_STORE", raising=False)
    # Messages must not depend on the width of the terminal.
    monkeypatch.setenv("TERMINAL_WIDTH", "200")

    def run(*arguments: str) -> tuple[int, str, str]:
        return exit_code(app, *arguments), *capsys.readouterr()

    return run


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(content({"epochs": 1})))
    return path


def test_list_names_every_recipe_with_its_task(run: Run) -> None:
    code, out, err = run("list")
    assert (code, err) == (0, "")
    recipes, _, models = out.partition("\n\n")
    assert [line.split()[0] for line in recipes.splitlines()] == list(built_in_recipes())
    assert models == "no model store at models_store: pass its folder with --store\n"


def test_list_shows_published_models_with_figures_targets_and_anchors(run: Run) -> None:
    code, out, err = run("list", "--store", str(ROOT / "models_store"))
    assert (code, err) == (0, "")
    assert re.search(r"^model +version +metric +measured +target +n +anchor", out, re.MULTILINE)
    assert re.search(r"^denoiser-mnist .*psnr/sigma-0.5 .*≥ 20.5", out, re.MULTILINE)
    assert re.search(
        r"^resnet-cifar10 +classification +Classifies images into the ten", out, re.MULTILINE
    )


def test_a_run_is_fitted_evaluated_drawn_and_published(
    run: Run, recipe: Path, tmp_path: Path
) -> None:
    code, out, err = run("fit", str(recipe), "--set", "seed=5")
    assert (code, err) == (0, "")
    assert "next: deepshelf train publish runs/tiny" in out
    folder = tmp_path / "runs" / "tiny"
    assert yaml.safe_load((folder / "recipe.yaml").read_text())["seed"] == 5

    code, out, err = run("evaluate", "runs/tiny")
    assert (code, err) == (0, "")
    assert re.search(r"^accuracy +[01]\.\d{4}$", out, re.MULTILINE)

    code, on_training_data, err = run("evaluate", "runs/tiny", "--split", "train")
    assert (code, err) == (0, "")
    assert on_training_data != out

    assert run("plot", "curves", "runs/tiny")[::2] == (0, "")
    with Image.open(folder / "curves.png") as image:
        assert image.format == "PNG"

    code, out, err = run("publish", "runs/tiny", "--store", "store")
    assert (code, err) == (0, "")
    assert out.endswith("published store/tiny/1\n")
    assert read_manifest(tmp_path / "store" / "tiny" / "1").provenance.seed == 5


def test_a_finished_run_resumes_into_itself(run: Run, recipe: Path) -> None:
    assert run("fit", str(recipe), "--run-dir", "here")[0] == 0
    code, _, err = run("fit", str(recipe), "--run-dir", "here")
    assert code == 1
    assert err == "error: here holds a run already: use --resume, or another --run-dir\n"
    code, out, err = run("fit", str(recipe), "--run-dir", "here", "--resume")
    assert (code, err) == (0, "")
    assert "1 epochs in " in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("fit", "resnet"),
            "there is no recipe 'resnet', neither as a file .*; did you mean",
        ),
        (("fit", "resnet-cifar10", "--set", "epochs"), "--set takes a.b=c, not 'epochs'"),
        (
            ("fit", "resnet-cifar10", "--set", "epochs=0"),
            "resnet-cifar10.yaml: epochs: must be greater than 0",
        ),
        (
            ("fit", "resnet-cifar10", "--set", "epochz=1"),
            "resnet-cifar10.yaml: unknown field",
        ),
        (("fit", "resnet-cifar10", "--set", "data=[a"), "--set data=.*is not YAML"),
        (("fit", "broken.yaml"), "broken.yaml is not YAML: "),
        (
            ("fit", "resnet-cifar10", "--set", "data={kind: digits, validation_size: 9}"),
            "the network takes images of 3 channels, but scikit-learn digits has 1",
        ),
        (
            (
                "fit",
                "resnet-cifar10",
                "--set",
                "publish.calibrate=false",
                "--set",
                "data={kind: folder, path: gone, size: [8, 8]}",
            ),
            "gone is not a folder",
        ),
        (("fit", "tiny.yaml", "--resume"), "there is no checkpoint"),
        (("fit", "tiny.yaml", "--run-dir", "tiny.yaml/run"), ".*Not a directory"),
        (("evaluate", "nowhere"), "there is no run nowhere: nowhere/recipe.yaml does not exist"),
        (("publish", "nowhere"), "there is no run nowhere: nowhere/recipe.yaml does not exist"),
        (("plot", "curves", "nowhere"), "nowhere/metrics.csv does not exist"),
    ],
)
def test_error_is_one_line_with_exit_code_1(
    run: Run, recipe: Path, arguments: tuple[str, ...], message: str
) -> None:
    recipe.with_name("broken.yaml").write_text("a: [1,\nb: 2\n")
    code, _, err = run(*arguments)
    assert code == 1
    assert re.match(f"error: {message}", err)
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_a_store_that_cannot_be_written_is_one_line(run: Run, recipe: Path) -> None:
    assert run("fit", str(recipe))[0] == 0
    code, _, err = run("publish", "runs/tiny", "--store", "tiny.yaml")
    assert code == 1
    assert err == "error: tiny.yaml/tiny cannot be written: Not a directory\n"


@pytest.mark.parametrize("arguments", [("fit",), ("fit", "a", "--epochs", "3"), ("train", "a")])
def test_wrong_arguments_exit_with_2(run: Run, arguments: tuple[str, ...]) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert "Usage" in err


def test_help_does_not_load_torch() -> None:
    # An entry of None makes `import` fail, as if the package were not installed.
    program = (
        "import sys; sys.modules.update(dict.fromkeys(['torch', 'onnx', 'matplotlib']))\n"
        "from training.cli.main import app; app(args=sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "--help"],
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    for command in ("list", "fit", "evaluate", "publish", "plot"):
        assert command in done.stdout
