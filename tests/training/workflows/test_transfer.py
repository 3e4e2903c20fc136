"""`deepshelf train transfer`, from folders of photographs to a published model."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner, Result

from models_store.cli import app as models_app
from models_store.manifest import Manifest
from models_store.onnx.runtime import load_graph_fn
from models_store.verify import read_golden_cases, read_manifest
from tests.command_line import exit_code
from tests.training.photos import content, write_photos, write_weights
from training.cli.main import app
from training.cli.transfer import _choose_run_dir
from training.datasets.image_io import read_resized_image
from training.engine import loggers
from training.engine.csv_logger import write_log


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Create a folder with a recipe, and a separate cache, for the whole module."""
    home = tmp_path_factory.mktemp("transfer")
    weights = write_weights(home / "weights.pth")
    (home / "shapes.yaml").write_text(yaml.safe_dump(content(Path("nowhere"), weights)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPSHELF_DATA", str(home / "cache"))
        yield home


def _transfer(home: Path, *arguments: object) -> Result:
    words = ["transfer", *map(str, arguments)]
    words += ["--recipe", str(home / "shapes.yaml"), "--store", str(home / "store")]
    return CliRunner().invoke(app, words)


def _rejected(result: Result) -> str:
    assert result.exit_code == 1, result.output
    return result.output


@dataclass(frozen=True)
class _Done:
    """Output and files of one command."""

    photos: Path
    output: str
    folder: Path
    run: Path

    @property
    def manifest(self) -> Manifest:
        return read_manifest(self.folder)


def _done(home: Path, name: str, photos: Path, *options: object) -> _Done:
    run = home / "runs" / name
    result = _transfer(home, photos, "--name", name, "--run-dir", run, *options)
    assert result.exit_code == 0, result.output
    return _Done(photos, result.output, home / "store" / name / "1", run)


@pytest.fixture(scope="module")
def tuned(home: Path) -> _Done:
    """Train both stages on three classes."""
    photos = write_photos(home / "secret" / "photos", 7, classes=3)
    return _done(home, "my-shapes", photos, "--folds", 2)


@pytest.fixture(scope="module")
def frozen(home: Path) -> _Done:
    """Train the head alone on two classes of three photographs."""
    return _done(home, "few-shapes", write_photos(home / "secret" / "few", 3), "--frozen-only")


def test_published_model_verifies(
    home: Path, tuned: _Done, frozen: _Done, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(models_app, "--store", str(home / "store"), "verify") == 0
    assert capsys.readouterr().out.count("ok") == 2
    task = tuned.manifest.task
    assert task.kind == "classification"
    assert task.labels == ("bars", "boxes", "dots")
    assert (task.image.width, task.image.height, task.image.mode) == (64, 64, "RGB")


def test_both_stages_are_measured_on_photographs_they_never_saw(tuned: _Done) -> None:
    metrics = {metric.name: metric for metric in tuned.manifest.metrics}
    for name in ("accuracy", "accuracy/frozen"):
        assert metrics[name].n == 21
        assert metrics[name].split == "cross-validation, 2 folds"
    assert "fine-tuned" in metrics["accuracy"].note
    figures = json.loads((tuned.run / "cross-validation.json").read_text())
    assert [fold["n"] for fold in figures["folds"]] == [11, 10]
    mean = sum(fold["fine-tuned"] for fold in figures["folds"]) / 2
    assert metrics["accuracy"].value == pytest.approx(mean)


def test_the_published_model_was_trained_on_every_photograph(tuned: _Done) -> None:
    manifest = tuned.manifest
    assert manifest.data[0].n == 21
    assert manifest.data[0].title == "photos"
    assert manifest.provenance.recipe["data"]["held_out"] is None
    assert manifest.provenance.epochs == 2
    assert "weights.pth" in manifest.data[1].title


def test_published_model_predicts_the_training_labels(frozen: _Done) -> None:
    run = load_graph_fn(frozen.folder / "model.onnx")
    predictions = []
    for name in ("boxes", "dots"):
        for index in range(3):
            image = read_resized_image(frozen.photos / name / f"{index}.png", (64, 64), "RGB")
            images = image.permute(1, 2, 0)[None].numpy()
            predictions.append(int(run({"images": images})["probabilities"].argmax()))
    assert predictions == [0, 0, 0, 1, 1, 1]


def test_progress_and_figures_are_printed(tuned: _Done) -> None:
    assert "21 photographs of 3 classes: bars 7, boxes 7, dots 7" in tuned.output
    assert "fold 2/2: frozen " in tuned.output
    assert "fine-tuned " in tuned.output
    assert "of 21 held-out photos" in tuned.output
    assert f"published {tuned.folder}" in tuned.output


def test_no_path_is_published(home: Path, tuned: _Done) -> None:
    text = (tuned.folder / "manifest.json").read_text(encoding="utf-8")
    assert "secret" not in text
    assert str(home) not in text
    assert tuned.manifest.provenance.command == (
        "deepshelf train transfer photos --name my-shapes --folds 2 --recipe shapes.yaml"
    )


def test_no_photograph_is_published(tuned: _Done) -> None:
    own = set()
    for file in tuned.photos.rglob("*.png"):
        with Image.open(file) as image:
            own.add(np.asarray(image.convert("L").resize((8, 8))).tobytes())
    (graph,) = tuned.manifest.graphs().values()
    count = 0
    for case in read_golden_cases(tuned.folder / "golden.npz", graph, tuned.manifest.golden.cases):
        for image in case.inputs["images"]:
            small = np.asarray(Image.fromarray(image).convert("L").resize((8, 8)))
            assert small.tobytes() not in own
            count += 1
    assert count == 4


def test_few_photographs_give_fewer_folds_with_a_notice(frozen: _Done) -> None:
    assert "3 folds, not 5: class 'boxes' has 3 photographs" in frozen.output
    assert "the figures are only a rough estimate" in frozen.output
    assert "fold 3/3" in frozen.output


def test_frozen_result_is_marked(frozen: _Done) -> None:
    manifest = frozen.manifest
    assert manifest.provenance.recipe["network"]["frozen"] is True
    assert manifest.provenance.epochs is None
    assert "--frozen-only" in manifest.provenance.command
    assert [metric.name for metric in manifest.metrics] == ["accuracy", "nll", "ece"]
    assert "fine-tuned" not in frozen.output


def test_checkpoints_of_folds_are_deleted(tuned: _Done) -> None:
    assert {path.parent.name for path in tuned.run.rglob("last.ckpt")} == {"all"}
    assert (tuned.run / "confusion.png").is_file()


def test_an_interrupted_transfer_resumes_to_the_figures_of_an_uninterrupted_one(
    home: Path, tuned: _Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = home / "runs" / "again"
    arguments = (tuned.photos, "--name", "again", "--run-dir", run, "--folds", 2)
    epochs = []

    def interrupt_third_epoch(path: Path, rows: list[dict[str, float]]) -> None:
        epochs.append(path)
        if len(epochs) == 3:  # the first of the second fold, after its checkpoint
            raise KeyboardInterrupt
        write_log(path, rows)

    with monkeypatch.context() as patch:
        patch.setattr(loggers, "write_log", interrupt_third_epoch)
        interrupted = _transfer(home, *arguments)
    assert interrupted.exit_code == 130
    assert f"--resume --run-dir {run} continues" in interrupted.output
    assert not (home / "store" / "again").exists()

    resumed = _transfer(home, *arguments, "--resume")
    assert resumed.exit_code == 0, resumed.output
    figures = "cross-validation.json"
    assert (run / figures).read_text() == (tuned.run / figures).read_text()
    assert {path.parent.name for path in run.rglob("last.ckpt")} == {"all"}


def test_a_transfer_that_was_never_begun_cannot_be_resumed(home: Path, tuned: _Done) -> None:
    run = home / "runs" / "nowhere"
    result = _transfer(home, tuned.photos, "--name", "never-begun", "--run-dir", run, "--resume")
    assert "does not exist: there is no transfer to continue" in _rejected(result)


def test_every_run_has_a_folder_of_its_own(tmp_path: Path) -> None:
    for name in ("run", "run-2", "run-3"):
        folder = _choose_run_dir(tmp_path / "run", resume=False)
        assert folder.name == name
        folder.mkdir()


def test_a_class_of_one_photograph_is_rejected(home: Path, tmp_path: Path) -> None:
    root = write_photos(tmp_path / "photos", 3)
    for index in (0, 1):
        (root / "dots" / f"{index}.png").unlink()
    message = _rejected(_transfer(home, root, "--name", "lonely-shapes"))
    assert "class 'dots' has 1 photograph: at least two are needed" in message
    assert not (home / "store" / "lonely-shapes").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (None, "--name is required"),
        ("My Shapes", "name: must be 2 to 64 lower-case letters, digits or hyphens, "),
    ],
)
def test_invalid_name_is_rejected_before_photographs_are_read(
    home: Path, name: str | None, message: str
) -> None:
    arguments = [home / "nowhere", *(["--name", name] if name else [])]
    assert message in _rejected(_transfer(home, *arguments))


def test_missing_folder_is_named(home: Path) -> None:
    message = _rejected(_transfer(home, home / "nowhere", "--name", "my-shapes"))
    assert "nowhere is not a folder" in message


def test_a_recipe_that_does_not_transfer_is_rejected(tmp_path: Path) -> None:
    words = ["transfer", str(tmp_path), "--name", "mine", "--recipe", "resnet-digits"]
    message = _rejected(CliRunner().invoke(app, words))
    assert "recipe resnet-digits does not fine-tune" in message
