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
from training.engine.trainer import fit, load_adversarial_task
from training.pretrained.mobilenet import LOCAL_WEIGHTS
from training.publish.publisher import publish_run
from training.publish.tasks import export_spec

_DISTANCES = {"fd_mobilenet", "kd_mobilenet", "precision", "recall"}
_ALWAYS = {"nearest_rms", "nearest_rms/held-out", "sharpness", "spread"}


@pytest.fixture(autouse=True)
def _empty_store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSHELF_STORE", str(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gan") / "run"
    fit(recipe(**ADVERSARIAL), folder, show_progress=False)
    return folder


@pytest.fixture(scope="module")
def weights_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with random weights in place of ImageNet's."""
    home = tmp_path_factory.mktemp("data")
    (home / LOCAL_WEIGHTS).parent.mkdir()
    torch.manual_seed(0)
    torch.save(mobilenet_v2().state_dict(), home / LOCAL_WEIGHTS)
    return home


@pytest.fixture
def _with_weights(weights_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSHELF_DATA", str(weights_dir))


@pytest.fixture(scope="module")
def folder(run: Path, weights_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPSHELF_DATA", str(weights_dir))
        patch.setenv("DEEPSHELF_STORE", str(weights_dir / "store"))
        return publish_run(recipe(**ADVERSARIAL), run, tmp_path_factory.mktemp("store"))


@pytest.fixture
def manifest(folder: Path) -> Manifest:
    return read_manifest(folder)


def test_only_the_generator_is_published(manifest: Manifest) -> None:
    task = manifest.task
    assert isinstance(task, FaceGeneration)
    assert task == FaceGeneration(latent=4, width=8, height=8, mode="L", typical=task.typical)
    assert {file.role for file in manifest.files} == {"generator", "golden", "preview"}
    graph = manifest.get_file("generator")
    assert [spec.shape for spec in (*graph.inputs, *graph.outputs)] == [
        ("batch", 4), ("batch", 8, 8, 1),
    ]  # fmt: skip
    assert manifest.parameters == 4 * 8 * 16 + 16 * 8 + 1 + 2 * 8


def test_the_graph_matches_the_ema_generator(folder: Path, run: Path) -> None:
    latents = np.stack([latent_from_seed(seed, 4) for seed in range(5)])
    images = load_graph_fn(folder / "generator.onnx")({"latents": latents})["images"]
    network = load_adversarial_task(run).network_to_publish().eval()
    with torch.inference_mode():
        expected = (network(torch.from_numpy(latents)) + 1) * 127.5
    assert np.abs(images[..., 0] - expected[:, 0].numpy()).max() <= 0.51


def test_distances_are_published_with_floor_and_baseline(manifest: Manifest) -> None:
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


def test_without_imagenet_weights_only_the_other_metrics_are_published(
    run: Path, folder: Path, tmp_path: Path, data_home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (data_home / LOCAL_WEIGHTS).parent.mkdir()
    (data_home / LOCAL_WEIGHTS).write_bytes(b"no weights")
    recipe = load_recipe(str(run / "recipe.yaml"))
    report = export_spec(load_adversarial_task(run), recipe).report
    metrics = report({"generator": load_graph_fn(folder / "generator.onnx")}, tmp_path / "p.png")
    assert {metric.name for metric in metrics} == _ALWAYS
    assert "holds no weights that torch can read" in caplog.text


@pytest.mark.usefixtures("_with_weights")
@pytest.mark.parametrize(
    ("command", "plot"),
    [
        (["plot", "samples", "--count", "9"], "samples.png"),
        (["plot", "neighbours", "--count", "3"], "neighbours.png"),
    ],
)
def test_samples_and_neighbours_are_plotted(
    run: Path, command: list[str], plot: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        app([*command, str(run)])
    assert caught.value.code == 0
    assert plot in capsys.readouterr().out
    with Image.open(run / plot) as image:
        assert min(image.size) > 20


def test_plotting_samples_of_another_task_is_rejected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit(recipe(epochs=1), tmp_path, show_progress=False)
    with pytest.raises(SystemExit):
        app(["plot", "samples", str(tmp_path)])
    assert "a run of the task classification, which generates no images" in capsys.readouterr().err


def test_distances_without_imagenet_weights_are_rejected(
    run: Path, data_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data_home / LOCAL_WEIGHTS).parent.mkdir()
    (data_home / LOCAL_WEIGHTS).write_bytes(b"no weights")
    with pytest.raises(SystemExit) as caught:
        app(["distances", str(run)])
    assert caught.value.code == 1
    assert "holds no weights that torch can read" in capsys.readouterr().err


@pytest.mark.usefixtures("_with_weights")
def test_fastgan_graph_matches_its_ema_generator_and_notes_name_the_shared_network(
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
    assert "used the same network" in notes["fd_mobilenet"]
    assert "same network" not in notes["sharpness"]
