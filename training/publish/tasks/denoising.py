"""Publish a trained denoiser of small images."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import torch
from torch import Generator, Tensor, nn
from torchmetrics.functional.image import structural_similarity_index_measure

from models_store.manifest import Metric
from models_store.tasks import AnySizeImage, ColorMode
from models_store.tasks import Denoising as ServedDenoising
from models_store.verify import GraphFn
from training.config.recipe import Recipe
from training.datasets.noise import Noise
from training.metrics.rate_distortion import psnr_db
from training.networks.base import BaseNetworkConfig
from training.plots.images import draw_image_rows
from training.publish import sample_inputs
from training.publish.onnx.graphs import DenoiserGraph
from training.publish.spec import ExportSpec, GraphSpec, export_spec, run_in_batches
from training.tasks.denoising import Denoising

TILE = 512


def denoiser_graph(network: nn.Module, cases: Iterable[Tensor]) -> GraphSpec:
    """Describe the graph of a denoiser, with golden cases of images (N, H, W, C)."""
    return GraphSpec(
        role="model",
        module=DenoiserGraph(network),
        outputs=("denoised",),
        dynamic_axes={0: "batch", 1: "height", 2: "width"},
        cases=tuple({"images": images} for images in cases),
    )


def tiled_image(mode: ColorMode, network: BaseNetworkConfig, tile: int) -> AnySizeImage:
    """Describe images whose tiles overlap by twice the network's reach, rounded up."""
    multiple = network.multiple_of
    overlap = -(-2 * network.reach // multiple) * multiple
    return AnySizeImage(mode=mode, multiple_of=multiple, tile=tile, overlap=overlap)


@export_spec.register
def denoising_spec(task: Denoising, recipe: Recipe) -> ExportSpec:
    """Describe the graph, PSNR and SSIM before and after, and rows of images as the preview."""
    data, noises = task.data, task.config.noises
    clean = _sample_images(data.channels, recipe.network.multiple_of)
    graph = denoiser_graph(task.network_to_publish(), [_add_noise(clean, n) for n in noises])
    return ExportSpec(
        task=ServedDenoising(
            image=tiled_image(data.mode, recipe.network, TILE),
            noise="; ".join(noise.describe() for noise in noises),
        ),
        graphs=(graph,),
        data=(data.to_data_source(),),
        report=lambda runs, preview: _report(runs["model"], task, clean, preview),
        rtol=0.0,
        atol=1.0,  # one grey level: rounding may differ
    )


def _sample_images(channels: int, multiple: int) -> Tensor:
    """Return ten clean images of about 28×28, with sides that the network accepts."""
    side = -(-28 // multiple) * multiple
    if channels == 1:
        return sample_inputs.rendered_digits(side)
    return sample_inputs.photo_crops(10, side, side, "RGB")


def _add_noise(images_NHWC: Tensor, noise: Noise) -> Tensor:
    """Return the images with seeded noise, as bytes."""
    clean = images_NHWC.permute(0, 3, 1, 2).float() / 255
    return _to_uint8(noise(clean, Generator().manual_seed(0)))


def _to_uint8(images_NCHW: Tensor) -> Tensor:
    """Map floats (N, C, H, W) in 0–1 to uint8 (N, H, W, C)."""
    return (images_NCHW * 255).round().clamp(0, 255).permute(0, 2, 3, 1).to(torch.uint8)


def _denoise(run: GraphFn, noisy_NHWC: Tensor) -> Tensor:
    """Return the published graph's output, as floats (N, C, H, W) in 0–1."""
    return run_in_batches(run, "images", noisy_NHWC)["denoised"].permute(0, 3, 1, 2).float() / 255


def _report(
    run: GraphFn, task: Denoising, sample_images: Tensor, preview: Path
) -> tuple[Metric, ...]:
    noises, split = task.config.noises, task.data.test
    rows = [("clean", sample_images.numpy())]
    for noise in noises:
        noisy = _add_noise(sample_images, noise)
        rows.append((noise.label, noisy.numpy()))
        rows.append(("restored", _to_uint8(_denoise(run, noisy)).numpy()))
    draw_image_rows(rows, preview)
    clean = split.images_NCHW.float() / 255
    metrics: list[Metric] = []
    for noise in noises:
        noisy = _add_noise(split.images_NCHW.permute(0, 2, 3, 1), noise)
        before, after = noisy.permute(0, 3, 1, 2).float() / 255, _denoise(run, noisy)
        note = f"mean over images of 8-bit outputs; {noise.describe()}"
        metric = partial(Metric, dataset=task.data.title, split="test", n=len(clean), note=note)
        for name, images in (("_in", before), ("", after)):
            psnr = float(psnr_db(images, clean).mean())
            metrics.append(metric(name=f"psnr{name}/{noise.name}", value=psnr, unit="dB"))
        for name, images in (("_in", before), ("", after)):
            metrics.append(metric(name=f"ssim{name}/{noise.name}", value=_ssim(images, clean)))
    return tuple(metrics)


def _ssim(images: Tensor, clean: Tensor) -> float:
    """Return the mean structural similarity (Wang et al. 2004), 11×11 Gaussian window."""
    scores = [
        structural_similarity_index_measure(a, b, data_range=1.0, reduction="none")
        for a, b in zip(torch.split(images, 1000), torch.split(clean, 1000), strict=True)
    ]
    parts = [score if isinstance(score, Tensor) else score[0] for score in scores]
    return float(torch.cat(parts).mean())
