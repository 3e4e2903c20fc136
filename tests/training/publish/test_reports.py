"""Figures against hand calculations and other libraries, with doubles in the graphs' place."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from skimage.metrics import structural_similarity
from torch import Tensor

from models_store.tasks import AnySizeImage, Denoising
from tests.training.tiny import DENOISING
from tests.training.tiny import recipe as tiny
from training.datasets.base import ImageData, ImageSplit
from training.publish import sample_inputs
from training.publish.spec import ExportSpec
from training.publish.tasks import export_spec
from training.tasks import build_task

Arrays = Mapping[str, NDArray[Any]]


def _publication(images_NHWC: Tensor, labels: list[int], **changes: Any) -> ExportSpec:
    """Return the export spec of a task that trains and tests on these images."""
    split = ImageSplit(images_NHWC.permute(0, 3, 1, 2).contiguous(), torch.tensor(labels))
    data: Any = ImageData(
        title="made up", licence="none", source="here", labels=("no", "yes"), train=split,
        test=split,
    )  # fmt: skip
    recipe = tiny(**{"batch_size": 2, **changes})
    fabric = Fabric(accelerator="cpu", devices=1)
    return export_spec(build_task(recipe.task, recipe, data, fabric), recipe)


_PROBABILITIES = np.array([[0.9, 0.1], [0.9, 0.1], [0.3, 0.7], [0.3, 0.7]], np.float32)


def _oracle(inputs: Arrays) -> Arrays:
    """Return a network whose logits depend on the first pixel of an image."""
    return {"probabilities": _PROBABILITIES[inputs["images"][:, 0, 0, 0]]}


def test_a_classifiers_figures_by_hand(tmp_path: Path) -> None:
    images = torch.arange(4, dtype=torch.uint8).view(4, 1, 1, 1).expand(4, 8, 8, 1)
    network = {"kind": "resnet", "depth": 20, "stem": "cifar", "width": 4, "in_channels": 1}
    publication = _publication(images.contiguous(), [0, 1, 1, 1], network={**network, "classes": 2})
    metrics = publication.report({"model": _oracle}, tmp_path / "preview.png")
    figures = {metric.name: metric.value for metric in metrics}
    # Right: the first, the third and the fourth.
    assert figures["accuracy"] == 0.75
    assert figures["nll"] == pytest.approx(-(math.log(0.9) + math.log(0.1) + 2 * math.log(0.7)) / 4)
    # Two are sure by 0.9 and half of them right; two by 0.7, both right: (0.4 + 0.3) / 2.
    assert figures["ece"] == pytest.approx(0.35)
    assert {metric.n for metric in metrics} == {4}
    assert (tmp_path / "preview.png").stat().st_size > 0


def test_a_sure_mistake_costs_much_but_not_everything(tmp_path: Path) -> None:
    images = torch.arange(2, dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 8, 8, 1)
    network = {"kind": "resnet", "depth": 20, "stem": "cifar", "width": 4, "in_channels": 1}
    publication = _publication(images.contiguous(), [0, 1], network={**network, "classes": 2})
    certain = np.array([[1, 0], [1, 0]], np.float32)
    metrics = publication.report(
        {"model": lambda _: {"probabilities": certain}}, tmp_path / "p.png"
    )
    figures = {metric.name: metric.value for metric in metrics}
    assert figures["nll"] == pytest.approx(-math.log(1e-12) / 2, rel=1e-5)


def test_a_denoisers_figures_agree_with_scikit_image(tmp_path: Path) -> None:
    clean = sample_inputs.photo_crops(3, 32, 32, "L")
    seen: list[NDArray[np.uint8]] = []

    def keep(inputs: Arrays) -> Arrays:
        seen.append(inputs["images"])
        return {"denoised": inputs["images"]}

    publication = _publication(clean, [0, 1, 0], **DENOISING)
    metrics = publication.report({"model": keep}, tmp_path / "preview.png")
    figures = {metric.name: metric.value for metric in metrics}
    for noise in ("course", "strong"):
        # Nothing was changed, so nothing was gained.
        assert figures[f"psnr/{noise}"] == pytest.approx(figures[f"psnr_in/{noise}"], abs=1e-4)
        assert figures[f"ssim/{noise}"] == pytest.approx(figures[f"ssim_in/{noise}"], abs=1e-6)

    noisy_sets = [images for images in seen if images.shape == (3, 32, 32, 1)]
    for noise, noisy in zip(("course", "strong"), noisy_sets, strict=True):
        # Wang et al. 2004: Gaussian window of deviation 1.5, side 11. Over whole images: at the
        # edges, which scikit-image leaves out of its mean, libraries mirror a little differently.
        similarity = [
            structural_similarity(  # type: ignore[no-untyped-call]  # it has no types
                a[..., 0], b[..., 0], data_range=255, gaussian_weights=True, sigma=1.5,
                use_sample_covariance=False, full=True,
            )[1].mean()
            for a, b in zip(noisy, clean.numpy(), strict=True)
        ]  # fmt: skip
        assert figures[f"ssim/{noise}"] == pytest.approx(np.mean(similarity), abs=2e-3)


def test_perfect_images_get_figures_that_a_manifest_can_hold(tmp_path: Path) -> None:
    clean = sample_inputs.rendered_digits(16)
    none = [{"name": "none", "label": "none", "std": 0.0}]
    task = {"kind": "denoising", "noises": none}
    publication = _publication(clean, [0, 1] * 5, **{**DENOISING, "task": task})
    same = {"model": lambda inputs: {"denoised": inputs["images"]}}
    metrics = publication.report(same, tmp_path / "preview.png")
    figures = {metric.name: metric.value for metric in metrics}
    assert figures["psnr/none"] == pytest.approx(100)  # the floor of the error
    assert figures["ssim/none"] == pytest.approx(1)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
@pytest.mark.parametrize("levels", [2, 4])
def test_golden_images_are_such_as_the_network_takes(channels: int, mode: str, levels: int) -> None:
    network = {"kind": "denoiser", "channels": channels, "widths": [4] * levels}
    clean = sample_inputs.photo_crops(2, 16, 16, mode)
    publication = _publication(clean, [0, 1], **{**DENOISING, "network": network})
    assert isinstance(publication.task, Denoising)
    assert isinstance(publication.task.image, AnySizeImage)
    assert publication.task.image.mode == mode
    (graph,) = publication.graphs
    for case in graph.cases:
        images = case["images"]
        assert images.dtype == torch.uint8
        assert images.shape[3] == channels
        assert images.shape[1] % publication.task.image.multiple_of == 0
        with torch.inference_mode():
            assert graph.module.eval()(images).shape == images.shape


def test_a_publication_does_not_depend_on_when_it_is_made() -> None:
    clean = sample_inputs.photo_crops(2, 16, 16, "L")
    first, again = (_publication(clean, [0, 1], **DENOISING) for _ in range(2))
    for ours, theirs in zip(first.graphs[0].cases, again.graphs[0].cases, strict=True):
        assert torch.equal(ours["images"], theirs["images"])
    assert replace(first, graphs=(), report=again.report) == replace(again, graphs=())
