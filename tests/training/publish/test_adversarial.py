import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import mobilenet_v2

from models_store.manifest import Manifest
from models_store.onnx.runtime import load_graph_fn
from models_store.sampling.latents import latent_from_seed
from models_store.tasks import FaceGeneration
from models_store.verify import read_manifest
from tests.training.tiny import ADVERSARIAL, PROJECTED, recipe
from training.cli.main import app
from training.config.recipe import load_recipe
from training.engine.runs import load_adversarial_task
from training.engine.trainer import fit
from training.pretrained.mobilenet import LOCAL_WEIGHTS
from training.publish.publisher import publish_run
from training.publish.tasks import export_spec

_DISTANCES = {"fd_mobilenet", "kd_mobilenet", "precision", "recall"}
_ALWAYS = {"nearest_rms", "nearest_rms/held-out", "sharpness", "spread"}


@pytest.fixture(autouse=True)
def _empty_shelf(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSHELF_STORE", str(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gan") / "run"
    fit(recipe(**ADVERSARIAL), folder, show_progress=False)
    return folder


@pytest.fixture(scope="module")
def knowing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with weights in the place of ImageNet's."""
    home = tmp_path_factory.mktemp("data")
    (home / LOCAL_WEIGHTS).parent.mkdir()
    torch.manual_seed(0)
    torch.save(mobilenet_v2().state_dict(), home / LOCAL_WEIGHTS)
    return home


@pytest.fixture
def _at_home(knowing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSHELF_DATA", str(knowing))


@pytest.fixture(scope="module")
def folder(run: Path, knowing: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPSHELF_DATA", str(knowing))
        patch.setenv("DEEPSHELF_STORE", str(knowing / "store"))
        return publish_run(recipe(**ADVERSARIAL), run, tmp_path_factory.mktemp("store"))


@pytest.fixture
def manifest(folder: Path) -> Manifest:
    return read_manifest(folder)


def test_the_generator_alone_is_published(manifest: Manifest) -> None:
    task = manifest.task
    assert isinstance(task, FaceGeneration)
    assert task == FaceGeneration(latent=4, width=8, height=8, mode="L", typical=task.typical)
    assert {file.role for file in manifest.files} == {"generator", "golden", "preview"}
    graph = manifest.get_file("generator")
    assert [spec.shape for spec in (*graph.inputs, *graph.outputs)] == [
        ("batch", 4), ("batch", 8, 8, 1),
    ]  # fmt: skip
    assert manifest.parameters == 4 * 8 * 16 + 16 * 8 + 1 + 2 * 8


def test_the_graph_draws_what_the_averaged_generator_draws(folder: Path, run: Path) -> None:
    latents = np.stack([latent_from_seed(seed, 4) for seed in range(5)])
    images = load_graph_fn(folder / "generator.onnx")({"latents": latents})["images"]
    network = load_adversarial_task(run).network_to_publish().eval()
    with torch.inference_mode():
        expected = (network(torch.from_numpy(latents)) + 1) * 127.5
    assert np.abs(images[..., 0] - expected[:, 0].numpy()).max() <= 0.51


def test_distances_stand_beside_their_floor_and_the_baseline(manifest: Manifest) -> None:
    figures = {metric.name: metric for metric in manifest.metrics}
    expected = {name + of for name in _DISTANCES for of in ("", "/floor", "/pca-gaussian")}
    assert figures.keys() == expected | _ALWAYS
    assert figures["fd_mobilenet/floor"].value < figures["fd_mobilenet"].value
    assert figures["fd_mobilenet"].n == 100
    assert "no FID" in figures["fd_mobilenet"].note
    assert "MobileNet" not in figures["spread"].note


def test_the_preview_is_a_grid_of_faces(folder: Path) -> None:
    with Image.open(io.BytesIO((folder / "preview.png").read_bytes())) as preview:
        assert preview.size == (8 * 9 + 1, 4 * 9 + 1)


def test_without_imagenet_weights_it_is_published_with_what_can_be_measured(
    run: Path, folder: Path, tmp_path: Path, data_home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (data_home / LOCAL_WEIGHTS).parent.mkdir()
    (data_home / LOCAL_WEIGHTS).write_bytes(b"no weights")
    recipe = load_recipe(str(run / "recipe.yaml"))
    report = export_spec(load_adversarial_task(run), recipe).report
    metrics = report({"generator": load_graph_fn(folder / "generator.onnx")}, tmp_path / "p.png")
    assert {metric.name for metric in metrics} == _ALWAYS
    assert "holds no weights that torch can read" in caplog.text


@pytest.mark.usefixtures("_at_home")
@pytest.mark.parametrize(
    ("command", "shows"),
    [
        (["plot", "samples", "--count", "9"], "samples.png"),
        (["plot", "neighbours", "--count", "3"], "neighbours.png"),
    ],
)
def test_a_run_can_be_looked_at(
    run: Path, command: list[str], shows: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        app([*command, str(run)])
    assert caught.value.code == 0
    assert shows in capsys.readouterr().out
    with Image.open(run / shows) as image:
        assert min(image.size) > 20


def test_a_run_of_another_task_draws_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit(recipe(epochs=1), tmp_path, show_progress=False)
    with pytest.raises(SystemExit):
        app(["plot", "samples", str(tmp_path)])
    assert "a run of the task classification, which generates no images" in capsys.readouterr().err


def test_distances_without_imagenet_weights_are_rejected_saying_what_is_missing(
    run: Path, data_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data_home / LOCAL_WEIGHTS).parent.mkdir()
    (data_home / LOCAL_WEIGHTS).write_bytes(b"no weights")
    with pytest.raises(SystemExit) as caught:
        app(["distances", str(run)])
    assert caught.value.code == 1
    assert "holds no weights that torch can read" in capsys.readouterr().err


@pytest.mark.usefixtures("_at_home")
def test_fastgans_graph_draws_what_its_averaged_generator_draws_and_says_who_judged(
    tmp_path: Path,
) -> None:
    fit(recipe(**PROJECTED), tmp_path / "run", show_progress=False)
    folder = publish_run(recipe(**PROJECTED), tmp_path / "run", tmp_path / "store")
    latents = np.stack([latent_from_seed(seed, 4) for seed in range(5)])
    images = load_graph_fn(folder / "generator.onnx")({"latents": latents})["images"]
    network = load_adversarial_task(tmp_path / "run").network_to_publish().eval()
    with torch.inference_mode():
        expected = (network(torch.from_numpy(latents)) + 1) * 127.5
    assert np.abs(images[..., 0] - expected[:, 0].numpy()).max() <= 0.51
    published = read_manifest(folder)
    assert published.parameters == sum(p.numel() for p in network.parameters())
    notes = {metric.name: metric.note for metric in published.metrics}
    assert "looked through the same network" in notes["fd_mobilenet"]
    assert "same network" not in notes["sharpness"]
