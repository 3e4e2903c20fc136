import json
import platform
import re
import shlex
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor, nn

from models_store.cli import app as models_app
from models_store.errors import ReplayError
from models_store.manifest import Manifest
from models_store.tasks import Classification, Denoising
from models_store.verify import read_golden_cases, read_manifest
from tests.command_line import exit_code
from tests.training.publish.conftest import OVERRIDES, PublishedRun
from training.config.recipe import Recipe, load_recipe
from training.datasets.digits import Digits
from training.datasets.noise import Noise
from training.errors import ExportError
from training.publish.onnx.graphs import ClassifierGraph
from training.publish.publisher import publish_run


def _session(published: PublishedRun) -> ort.InferenceSession:
    path = published.folder / published.manifest.get_file("model").path
    return ort.InferenceSession(path, providers=["CPUExecutionProvider"])


def _figures(manifest: Manifest) -> dict[str, float]:
    return {metric.name: metric.value for metric in manifest.metrics}


def _test_split() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return images (N, H, W, 1) and labels."""
    split = Digits().load().test
    return split.images_NCHW.permute(0, 2, 3, 1).numpy(), split.labels_N.numpy()


def test_a_published_model_verifies_without_the_training_side(
    classifier: PublishedRun, denoiser: PublishedRun, capsys: pytest.CaptureFixture[str]
) -> None:
    for published in (classifier, denoiser):
        assert exit_code(models_app, "--store", str(published.store), "verify") == 0
    assert [line.split()[2] for line in capsys.readouterr().out.splitlines()] == ["ok", "ok"]


def test_a_graph_states_its_name_version_licence_and_recipe(classifier: PublishedRun) -> None:
    metadata = _session(classifier).get_modelmeta().custom_metadata_map
    manifest = classifier.manifest
    assert (metadata["name"], metadata["version"]) == (manifest.name, "1")
    assert metadata["licence"] == manifest.licence
    assert json.loads(metadata["recipe"]) == manifest.provenance.recipe


def test_nothing_else_is_needed_and_nothing_is_left_over(classifier: PublishedRun) -> None:
    expected = ["golden.npz", "manifest.json", "model.onnx", "preview.png"]
    assert sorted(path.name for path in classifier.folder.iterdir()) == expected
    assert [path.name for path in classifier.folder.parent.iterdir()] == ["1"]


def test_manifest_describes_the_input_of_a_classifier(classifier: PublishedRun) -> None:
    manifest = classifier.manifest
    assert (manifest.name, manifest.version) == ("resnet-cifar10", 1)
    assert isinstance(manifest.task, Classification)
    assert manifest.task.labels == tuple("0123456789")
    image = manifest.task.image
    assert (image.width, image.height, image.mode) == (8, 8, "L")
    (images,), (output,) = manifest.get_file("model").inputs, manifest.get_file("model").outputs
    assert (images.name, images.dtype, images.shape) == ("images", "uint8", ("batch", 8, 8, 1))
    assert (output.name, output.dtype) == ("probabilities", "float32")
    assert output.shape == ("batch", 10)


def test_manifest_describes_the_input_of_a_denoiser(denoiser: PublishedRun) -> None:
    manifest = denoiser.manifest
    assert isinstance(manifest.task, Denoising)
    image = manifest.task.image
    assert (image.mode, image.multiple_of, image.tile) == ("L", 2, 512)
    # Reach of widths (4, 8) by hand: at full size two convolutions on the way down, two on the way
    # up and the last one, at half size two of two pixels each, and two pixels each for pooling and
    # upsampling: 2 + 2 + 1 + 4 + 4 = 13. Tiles overlap by twice that.
    assert image.overlap == 26
    assert manifest.task.noise == (
        "Gaussian noise of mean 0.5 and deviation 0.1, clipped to 0–1; "
        "Gaussian noise of mean 0 and deviation 0.5, clipped to 0–1"
    )


def test_manifest_states_intended_use_and_limits(classifier: PublishedRun) -> None:
    manifest, card = classifier.manifest, classifier.recipe.publish
    assert manifest.summary == card.summary
    assert manifest.licence == card.licence
    assert manifest.intended_use == card.intended_use
    assert manifest.limits == card.limits


def test_the_manifest_names_the_data_that_it_learnt_from(classifier: PublishedRun) -> None:
    (source,) = classifier.manifest.data
    train = Digits().load().train
    assert (source.title, source.licence, source.n) == ("scikit-learn digits", "CC BY 4.0", 1297)
    assert source.sha256 == train.sha256
    assert source.source.startswith("https://")


def test_parameters_are_counted_before_any_are_folded_away(classifier: PublishedRun) -> None:
    # ResNet-20 of width w on grey images, shortcut A (He et al. 2015, table 6's layout): all
    # 3×3 convolutions, two numbers per channel of each batch norm, and the last layer.
    w = 4
    convolutions = 9 * (
        1 * w + 6 * w * w + (w * 2 * w + 5 * 4 * w * w) + (8 * w * w + 5 * 16 * w * w)
    )
    norms = 2 * (7 * w + 6 * 2 * w + 6 * 4 * w)
    assert classifier.manifest.parameters == convolutions + norms + (4 * w * 10 + 10)


def test_figures_are_those_of_the_published_graph(classifier: PublishedRun) -> None:
    images, labels = _test_split()
    (probabilities,) = _session(classifier).run(None, {"images": images})
    right = probabilities.argmax(axis=1) == labels
    confidence = probabilities.max(axis=1)
    nll = -np.log(probabilities[np.arange(len(labels)), labels]).mean()
    ece = 0.0  # Guo et al. 2017, arXiv 1706.04599, equation 3
    for low in np.arange(15) / 15:
        bin_ = (confidence > low) & (confidence <= low + 1 / 15)
        if bin_.any():
            ece += bin_.mean() * abs(right[bin_].mean() - confidence[bin_].mean())

    figures = _figures(classifier.manifest)
    assert figures["accuracy"] == pytest.approx(right.mean(), abs=1e-9)
    assert figures["nll"] == pytest.approx(nll, rel=1e-5)
    assert figures["ece"] == pytest.approx(ece, abs=1e-6)
    for metric in classifier.manifest.metrics:
        assert (metric.dataset, metric.split, metric.n, metric.precision) == (
            "scikit-learn digits", "test", 500, "fp32",
        )  # fmt: skip


def test_the_published_network_is_the_one_that_was_evaluated(classifier: PublishedRun) -> None:
    # The averaged one, as the recipe has an average.
    last = classifier.fitted.log[-1]
    figures = _figures(classifier.manifest)
    assert figures["accuracy"] == pytest.approx(last["test_accuracy"], abs=1e-6)
    assert figures["nll"] == pytest.approx(last["test_nll"], rel=1e-4)


def test_figures_of_a_denoiser_are_those_of_the_published_graph(denoiser: PublishedRun) -> None:
    clean = Digits().load().test.images_NCHW
    session = _session(denoiser)
    task: Any = denoiser.recipe.task
    figures = _figures(denoiser.manifest)
    assert list(figures) == [
        f"{name}/{noise}"
        for noise in ("course", "strong")
        for name in ("psnr_in", "psnr", "ssim_in", "ssim")
    ]
    for noise in task.noises:
        noisy = _noisy_bytes(clean, noise)
        (restored,) = session.run(None, {"images": noisy})
        truth = clean.permute(0, 2, 3, 1).numpy()
        assert figures[f"psnr_in/{noise.name}"] == pytest.approx(_psnr_db(noisy, truth), abs=1e-4)
        assert figures[f"psnr/{noise.name}"] == pytest.approx(_psnr_db(restored, truth), abs=1e-4)


def _noisy_bytes(clean_NCHW: Tensor, noise: Noise) -> NDArray[np.uint8]:
    noisy = noise(clean_NCHW.float() / 255, torch.Generator().manual_seed(0))
    levels: NDArray[np.uint8] = np.rint(noisy.permute(0, 2, 3, 1).numpy() * 255).astype(np.uint8)
    return levels


def _psnr_db(images: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    """Return the mean over images of 10 log10(255² / mse)."""
    mse = ((images.astype(np.float64) - truth) ** 2).mean(axis=(1, 2, 3))
    return float((10 * np.log10(255**2 / mse)).mean())


def test_provenance_is_enough_to_get_the_model_again(classifier: PublishedRun) -> None:
    provenance = classifier.manifest.provenance
    assert provenance.seed == classifier.recipe.seed
    assert provenance.epochs == 1
    assert provenance.duration_s == pytest.approx(classifier.fitted.seconds, abs=0.06)
    assert provenance.libraries["python"] == platform.python_version()
    for name in ("torch", "torchvision", "lightning-fabric", "numpy", "onnx", "onnxruntime"):
        assert provenance.libraries[name] == version(name)
    assert re.search(r"\S.*(\d+ cores|\d × )", provenance.hardware) or torch.cuda.is_available()
    commit = provenance.git_commit
    assert commit is None or re.fullmatch(r"[0-9a-f]{40}(-dirty)?", commit)
    card = classifier.recipe.publish
    assert Recipe.model_validate({**provenance.recipe, "publish": card}) == classifier.recipe


def test_the_command_fits_the_same_recipe(classifier: PublishedRun) -> None:
    words = shlex.split(classifier.manifest.provenance.command)
    assert words[:4] == ["deepshelf", "train", "fit", "resnet-cifar10"]
    assert set(words[4::2]) == {"--set"}
    assert load_recipe("resnet-cifar10", words[5::2]) == classifier.recipe
    assert len(words[5::2]) <= len(OVERRIDES)


def test_no_path_of_this_machine_is_published(
    classifier: PublishedRun, denoiser: PublishedRun
) -> None:
    for published in (classifier, denoiser):
        text = (published.folder / "manifest.json").read_text()
        graph = (published.folder / "model.onnx").read_bytes()
        for place in (published.run.parent, Path(__file__).parents[3], Path.home()):
            if len(str(place)) > 2:  # a home at `/` is in everything
                assert str(place) not in text
                assert str(place).encode() not in graph


def test_preview_is_an_image(classifier: PublishedRun, denoiser: PublishedRun) -> None:
    for published in (classifier, denoiser):
        with Image.open(published.folder / "preview.png") as image:
            assert image.format == "PNG"
            assert min(image.size) > 100
            assert max(image.size) < 2000
            assert np.asarray(image.convert("L")).std() > 10


def test_golden_images_are_not_training_data(
    classifier: PublishedRun, denoiser: PublishedRun
) -> None:
    # Data sets' licences would travel with their images.
    digits = {image.astype(np.uint8).tobytes() for image in load_digits().images * (255 / 16)}
    for published in (classifier, denoiser):
        manifest = published.manifest
        path = published.folder / "golden.npz"
        cases = list(read_golden_cases(path, manifest.get_file("model"), manifest.golden.cases))
        assert len(cases) == 2
        images = np.concatenate([case.inputs["images"].reshape(-1) for case in cases])
        assert len(images) > 0
        for case in cases:
            assert not {image.tobytes() for image in case.inputs["images"]} & digits


def test_publishing_again_gives_the_next_version(classifier: PublishedRun, tmp_path: Path) -> None:
    folder = publish_run(classifier.recipe, classifier.run, tmp_path)
    again = publish_run(classifier.recipe, classifier.run, tmp_path)
    assert (folder.name, again.name) == ("1", "2")
    assert read_manifest(again).version == 2
    # Same weights, same graph, same figures; only the time differs.
    assert _figures(read_manifest(again)) == _figures(classifier.manifest)
    assert exit_code(models_app, "--store", str(tmp_path), "verify") == 0


class _Different(ClassifierGraph):
    """A graph whose export differs from what torch computes."""

    def forward(self, images_BHWC: Tensor) -> Tensor:
        probabilities = super().forward(images_BHWC)
        return probabilities.flip(1) if torch.compiler.is_exporting() else probabilities


def test_a_graph_that_differs_from_its_network_is_rejected(
    classifier: PublishedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.publish.tasks.classification.ClassifierGraph", _Different)
    with pytest.raises(ReplayError, match=r"case 0, output .* of model\.onnx: deviates"):
        publish_run(classifier.recipe, classifier.run, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_graph_that_cannot_be_exported_leaves_nothing(
    classifier: PublishedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forward(self: nn.Module, images: Tensor) -> Tensor:
        raise NotImplementedError

    monkeypatch.setattr(ClassifierGraph, "forward", forward)
    with pytest.raises(ExportError, match="cannot be exported"):
        publish_run(classifier.recipe, classifier.run, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_is_readable_json(classifier: PublishedRun) -> None:
    text = (classifier.folder / "manifest.json").read_text(encoding="utf-8")
    assert json.loads(text)["name"] == "resnet-cifar10"
    assert text.endswith("}\n")
    assert text.count("\n") > 50
