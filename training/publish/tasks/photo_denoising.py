"""Publish a denoiser of photographs.

Shapes: H height, W width; images are uint8 (H, W, 3), grey ones with equal channels.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_sample_image
from torch import Generator, Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from models_store.compression.grayscale import is_grayscale, mean_channel
from models_store.manifest import Metric
from models_store.tasks import Denoising
from models_store.verify import GraphFn
from training.config.recipe import Recipe
from training.datasets.camera import CameraNoise
from training.datasets.noise import add_gaussian_noise, quantize_8bit
from training.metrics.rate_distortion import psnr_db
from training.plots.images import draw_image_grid
from training.publish import sample_inputs
from training.publish.spec import ExportSpec, export_spec
from training.publish.tasks.denoising import denoiser_graph, tiled_image
from training.tasks.base import Scores
from training.tasks.photo_denoising import PhotoDenoising

TILE = 768
"""A run needs 277 MiB (onnxruntime, widths 48 and 96). Tiles of 512 need 102 MiB, but process 1.2
times as many pixels in total; tiles of 1,024 would save another 4 % and need 372 MiB."""
_ImagePair = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""A noisy image and its clean reference, (H, W, 3)."""
_SIDE = 160
# Crops of scikit-learn's photographs in the preview: top, left, deviation, whether grey.
_PREVIEW = (
    ("china.jpg", 40, 10, 25, False),
    ("flower.jpg", 60, 250, 25, False),
    ("china.jpg", 150, 60, 50, False),
    ("china.jpg", 60, 60, 25, True),
)
# With a camera in the recipe, these replace the first two: top, left, shot noise.
_CAMERA_PREVIEW = (("china.jpg", 20, 10, 0.002), ("flower.jpg", 60, 250, 0.006))


@export_spec.register
def photo_denoising_spec(task: PhotoDenoising, recipe: Recipe) -> ExportSpec:
    """Describe the graph, PSNR and SSIM before and after, and four images as the preview."""
    graph = denoiser_graph(task.network_to_publish(), _cases(8 * task.multiple))
    return ExportSpec(
        task=Denoising(
            image=tiled_image("RGB", recipe.network, TILE),
            noise=_noise_description(task),
            # From two thirds of the reach on, no flat colour changes by more than one level.
            edge_margin=-(-2 * recipe.network.reach // 3),
        ),
        graphs=(graph,),
        data=(task.data.to_data_source(),),
        report=lambda runs, preview: _report(runs["model"], task, preview),
        rtol=0.0,
        atol=1.0,  # one grey level: rounding may differ
    )


def _noise_description(task: PhotoDenoising) -> str:
    min_sigma, max_sigma = task.config.sigma
    gaussian = (
        f"Gaussian noise of mean 0 and deviation {min_sigma:g} to {max_sigma:g} of 255, equal in "
        "the channels of grey images, clipped or not"
    )
    if task.config.noise is None:
        return gaussian
    return f"a camera's noise, raw or stored as JPEG; {gaussian}"


def _cases(side: int) -> tuple[Tensor, ...]:
    """Return two noisy images in colour, and two grey ones."""
    color = sample_inputs.photo_crops(2, side, side, "RGB")
    gray = sample_inputs.photo_crops(2, side, side, "L").expand(-1, -1, -1, 3)
    return tuple(
        torch.stack(
            [torch.from_numpy(_with_stored_noise(image.numpy(), sigma)) for image in images]
        )
        for images, sigma in ((color, 25.0), (gray, 50.0))
    )


def _denoise(run: GraphFn, image_HW3: NDArray[np.uint8], multiple: int) -> NDArray[np.uint8]:
    """Return the output as the service computes it: grey images stay grey."""
    height, width, _ = image_HW3.shape
    edges = ((0, -height % multiple), (0, -width % multiple), (0, 0))
    padded_1HW3 = np.pad(image_HW3, edges, mode="symmetric")[np.newaxis]
    padded_output_HW3 = run({"images": padded_1HW3})["denoised"][0]
    denoised_HW3 = padded_output_HW3[:height, :width].astype(np.uint8, copy=False)
    return mean_channel(denoised_HW3).repeat(3, 2) if is_grayscale(image_HW3) else denoised_HW3


def _with_stored_noise(image_HW3: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    """Add seeded noise, clipped and rounded to 8 bits as in a file."""
    clean_13HW = torch.from_numpy(image_HW3.copy()).permute(2, 0, 1)[None].float() / 255
    noisy_image = quantize_8bit(add_gaussian_noise(clean_13HW, sigma, Generator().manual_seed(0)))
    return _to_uint8(noisy_image)


def _to_uint8(image_13HW: Tensor) -> NDArray[np.uint8]:
    levels = (image_13HW[0] * 255).round().permute(1, 2, 0).to(torch.uint8)
    return np.ascontiguousarray(levels.numpy())


def _report(run: GraphFn, task: PhotoDenoising, preview: Path) -> tuple[Metric, ...]:
    _draw_preview(run, task, preview)
    title = task.data.test_title
    cleans = [_to_channels_last(image_3HW) for image_3HW in task.data.test.images]
    with torch.inference_mode():
        scores = task.measure(task.network_to_publish().eval(), task.data.test)
    measure = partial(_measure, run, task.multiple, title)
    metrics: list[Metric] = []
    for sigma in task.config.measured:
        metrics += _unclipped_metrics(scores, sigma, title, len(cleans))
        stored = [(_with_stored_noise(clean, sigma), clean) for clean in cleans]
        metrics += measure(f"stored-{sigma:g}", "noise clipped and rounded to 8 bits", stored)
    metrics += measure("clean", "no noise: what it changes", [(x, x) for x in cleans])
    pairs = task.config.pairs
    if pairs is not None:
        loaded = [(_to_channels_last(noisy), _to_channels_last(x)) for noisy, x in pairs.load()]
        note = "one shot of a camera against the mean of many"
        metrics += _measure(run, task.multiple, pairs.title, "real", note, loaded)
    return tuple(metrics)


def _unclipped_metrics(scores: Scores, sigma: float, title: str, n: int) -> list[Metric]:
    note = (
        "mean over images; noise in floats, unclipped, as in the literature: torch's own figure, "
        "because the graph takes bytes"
    )
    metric = partial(Metric, unit="dB", dataset=title, split="test", n=n, note=note)
    return [
        metric(name=f"{name}/sigma-{sigma:g}", value=scores[f"{score}/sigma-{sigma:g}"])
        for name, score in (("psnr_in", "psnr_db_in"), ("psnr", "psnr_db"))
    ]


def _measure(
    run: GraphFn, multiple: int, dataset: str, name: str, note: str, pairs: Sequence[_ImagePair]
) -> list[Metric]:
    """Return PSNR before and after and SSIM after, of the published graph on 8-bit images.

    Clean images have no PSNR before.
    """
    after = [_psnr_and_ssim(_denoise(run, noisy, multiple), clean) for noisy, clean in pairs]
    columns = [("psnr", "dB", [psnr for psnr, _ in after]), ("ssim", "", [s for _, s in after])]
    if any(noisy is not clean for noisy, clean in pairs):
        before = [_psnr_and_ssim(noisy, clean)[0] for noisy, clean in pairs]
        columns = [("psnr_in", "dB", before), *columns]
    note = f"mean over images of 8-bit outputs; {note}"
    metric = partial(Metric, dataset=dataset, split="test", n=len(pairs), note=note)
    return [
        metric(name=f"{figure}/{name}", value=float(np.mean(values)), unit=unit)
        for figure, unit, values in columns
    ]


def _to_channels_last(image_3HW: Tensor) -> NDArray[np.uint8]:
    return np.ascontiguousarray(image_3HW.permute(1, 2, 0).numpy())


def _psnr_and_ssim(image: NDArray[np.uint8], clean: NDArray[np.uint8]) -> tuple[float, float]:
    """Return PSNR and SSIM (Wang et al. 2004, 11×11 Gaussian window) of one image."""
    a, b = (torch.from_numpy(x.copy()).permute(2, 0, 1)[None].float() / 255 for x in (image, clean))
    ssim = structural_similarity_index_measure(a, b, data_range=1.0)
    return float(psnr_db(a, b)), float(ssim if isinstance(ssim, Tensor) else ssim[0])


def _draw_preview(run: GraphFn, task: PhotoDenoising, path: Path) -> None:
    columns = []
    shots = () if task.config.noise is None else _CAMERA_PREVIEW
    for name, top, left, shot in shots:
        noisy, clean = _camera_shot(name, top, left, shot)
        columns.append(("a camera's noise", (noisy, _denoise(run, noisy, task.multiple), clean)))
    for name, top, left, sigma, gray in _PREVIEW[len(shots) :]:
        image = load_sample_image(name)[top : top + _SIDE, left : left + _SIDE]
        clean = mean_channel(image).repeat(3, 2) if gray else np.ascontiguousarray(image)
        noisy = _with_stored_noise(clean, sigma)
        columns.append((f"noise of {sigma}", (noisy, _denoise(run, noisy, task.multiple), clean)))
    draw_image_grid(columns, ("noisy", "restored", "clean"), path)


def _camera_shot(name: str, top: int, left: int, shot: float) -> _ImagePair:
    """Return a seeded shot stored as JPEG, and its target."""
    camera = CameraNoise(
        shot=(shot, shot), enlarged=(1, 1), reduced_share=0, stored_as_jpeg=1, grey_share=0
    )
    side = _SIDE + 16
    image = load_sample_image(name)[top : top + side, left : left + side]
    scene = torch.from_numpy(image.copy()).permute(2, 0, 1).float() / 255
    noisy, target = camera(scene, _SIDE, Generator().manual_seed(0))
    return _to_uint8(noisy[None]), _to_uint8(target[None])
