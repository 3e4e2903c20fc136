"""Publish a trained generator of images, without its discriminator."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models_store.manifest import DataSource, Metric
from models_store.sampling.latents import latent_from_seed
from models_store.tasks import FaceGeneration
from models_store.verify import GraphFn
from training.config.recipe import Recipe
from training.datasets.base import ImageData
from training.errors import DataError
from training.metrics.feature_extractor import INPUT_SIDE, MobileNetFeatures
from training.metrics.generative import (
    MAX_COMPARED_IMAGES,
    compare_to_training,
    nearest_training_images,
)
from training.metrics.independent_metrics import independent_metrics
from training.networks.gan import GAN
from training.networks.projected import ProjectedDiscriminator
from training.pretrained.mobilenet import weights_data_source
from training.publish.spec import ExportSpec, GraphSpec, export_spec, run_in_batches
from training.tasks.adversarial import Adversarial, draw_grid

_log = logging.getLogger(__name__)

_BATCH = 100
_PREVIEW_IMAGES, _PREVIEW_COLUMNS = 32, 8
_TYPICAL_CANDIDATES = 200
_MEMORIZATION_SAMPLES = 500
"""Number of generated images whose nearest training images are searched."""


class GeneratorGraph(nn.Module):
    """Map latents float32 (B, Z) to images uint8 (B, H, W, C)."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, latents_BZ: Tensor) -> Tensor:
        images_BCHW: Tensor = self.generator(latents_BZ)
        levels = ((images_BCHW + 1) * 127.5).round().clamp(0, 255)
        return levels.permute(0, 2, 3, 1).to(torch.uint8)


@export_spec.register
def adversarial_spec(task: Adversarial, recipe: Recipe) -> ExportSpec:
    """Describe the graph, distances to the training images, and a grid of faces as the preview."""
    del recipe  # the task holds everything
    config = task.network_config
    typical = _typical_seed(task.network_to_publish().eval(), config)
    graph = GraphSpec(
        role="generator",
        module=GeneratorGraph(task.network_to_publish()),
        outputs=("images",),
        cases=({"latents": _latents(range(4), config)}, {"latents": _latents(range(4, 5), config)}),
    )
    return ExportSpec(
        task=FaceGeneration(
            latent=config.latent,
            width=config.size,
            height=config.size,
            mode="L" if config.channels == 1 else "RGB",
            typical=typical,
        ),
        graphs=(graph,),
        data=(task.data.to_data_source(), *_pretrained_weights(config)),
        report=lambda runs, preview: _report(runs["generator"], task, preview),
        rtol=0.0,
        atol=1.0,  # one grey level: rounding may differ
    )


def _pretrained_weights(config: GAN.Config) -> tuple[DataSource, ...]:
    """Return the source of the discriminator's pretrained features, if any."""
    if not isinstance(config.discriminator, ProjectedDiscriminator.Config):
        return ()
    source = weights_data_source(config.discriminator)
    return () if source is None else (source,)


def _typical_seed(generator: nn.Module, config: GAN.Config) -> int:
    """Return the seed, of the first few, whose image is closest to the mean image."""
    with torch.inference_mode():
        images = generator.cpu()(_latents(range(_TYPICAL_CANDIDATES), config)).float()
    return int((images - images.mean(0)).square().flatten(1).sum(1).argmin())


def _latents(seeds: range, config: GAN.Config) -> Tensor:
    return torch.from_numpy(np.stack([latent_from_seed(seed, config.latent) for seed in seeds]))


def _generate(run: GraphFn, latents_NZ: Tensor) -> Tensor:
    """Return the published graph's images (N, C, H, W)."""
    images_NHWC = run_in_batches(run, "latents", latents_NZ, _BATCH)["images"]
    return images_NHWC.permute(0, 3, 1, 2).contiguous()


def _report(run: GraphFn, task: Adversarial, preview: Path) -> tuple[Metric, ...]:
    data, config = task.data, task.network_config
    count = min(MAX_COMPARED_IMAGES, len(data.train) // 2)
    seeds = range(max(count, _MEMORIZATION_SAMPLES, _PREVIEW_IMAGES))
    generated = _generate(run, _latents(seeds, config))
    draw_grid(generated[:_PREVIEW_IMAGES], preview, columns=_PREVIEW_COLUMNS, scale=1)
    metrics = (
        *independent_metrics(
            data, generated[:count], lambda latents_NZ: _generate(run, latents_NZ), config.latent
        ),
        *_memorization(data, generated[:_MEMORIZATION_SAMPLES]),
    )
    try:
        features = MobileNetFeatures()
    except DataError as error:
        # Not every user who trains on other images has these weights.
        _log.warning("published without distances to the training images: %s", error)
        return metrics
    note = f"; pooled MobileNetV2 features (ImageNet) at {INPUT_SIDE}×{INPUT_SIDE}, no FID"
    if isinstance(config.discriminator, ProjectedDiscriminator.Config):
        note += "; the discriminator used the same network, which favours it"
    distances = compare_to_training(data, generated[:count], features)
    return (*(d.model_copy(update={"note": d.note + note}) for d in distances), *metrics)


def _memorization(data: ImageData, generated: Tensor) -> Iterator[Metric]:
    """Yield median distances to the nearest training image, of generated and held-out images."""
    sets = {
        "nearest_rms": (generated, "generated images"),
        "nearest_rms/held-out": (
            data.test.images_NCHW[:_MEMORIZATION_SAMPLES],
            "images that were not trained on",
        ),
    }
    for name, (images, note) in sets.items():
        yield Metric(
            name=name,
            value=float(nearest_training_images(images, data.train.images_NCHW).rms.median()),
            unit="grey levels",
            dataset=data.title,
            split="train",
            n=len(images),
            note=f"{note}: median distance in pixels to the most similar training image",
        )
