"""How a trained generator of pictures is published: the generator alone, of both networks."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from models_store.manifest import Metric
from models_store.sampling.latents import latent
from models_store.tasks import Faces
from models_store.verify import Run
from training.errors import DataError
from training.metrics.feature_extractor import SIDE, Perception
from training.metrics.generative import COUNT, Figure, compare, nearest
from training.networks.gan import GAN
from training.plots.samples import draw_grid
from training.publish.spec import Graph, Publication

if TYPE_CHECKING:
    from training.tasks.adversarial import Adversarial

__all__ = ["GeneratorGraph", "publication"]

_log = logging.getLogger(__name__)

_BATCH = 100
_PREVIEW = 32
_PREVIEW_COLUMNS = 8
_CONSIDERED = 200
_CHECKED = 500
"""Drawn pictures whose nearest training pictures are looked for."""


class GeneratorGraph(nn.Module):
    """Latents float32 (B, Z) → pictures uint8 (B, H, W, C)."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, latents_BZ: Tensor) -> Tensor:
        images_BCHW: Tensor = self.generator(latents_BZ)
        levels = ((images_BCHW + 1) * 127.5).round().clamp(0, 255)
        return levels.permute(0, 2, 3, 1).to(torch.uint8)


def publication(task: "Adversarial") -> Publication:
    """Graph, distances to the training pictures, and a grid of faces as preview."""
    config = task.network_config
    typical = _typical(task.published_network().eval(), config)
    graph = Graph(
        role="generator",
        module=GeneratorGraph(task.published_network()),
        inputs=("latents",),
        outputs=("images",),
        free_axes={"latents": {0: "batch"}},
        cases=({"latents": _latents(range(4), config)}, {"latents": _latents(range(4, 5), config)}),
    )
    return Publication(
        task=Faces(
            latent=config.latent,
            width=config.size,
            height=config.size,
            mode="L" if config.channels == 1 else "RGB",
            typical=typical,
        ),
        graphs=(graph,),
        data=(task.data.describe(),),
        report=lambda runs, preview: _report(runs["generator"], task, preview),
        rtol=0.0,
        atol=1.0,  # one grey level: rounding may fall either way
    )


def _typical(generator: nn.Module, config: GAN.Config) -> int:
    """The seed, of the first few, whose picture is most like the mean of all of theirs."""
    with torch.inference_mode():
        images = generator.cpu()(_latents(range(_CONSIDERED), config)).float()
    return int((images - images.mean(0)).square().flatten(1).sum(1).argmin())


def _latents(seeds: range, config: GAN.Config) -> Tensor:
    return torch.from_numpy(np.stack([latent(seed, config.latent) for seed in seeds]))


def _draw(run: Run, seeds: range, config: GAN.Config) -> Tensor:
    """The published graph's pictures, (N, C, H, W)."""
    batches = [
        np.asarray(
            run({"latents": _latents(seeds[start : start + _BATCH], config).numpy()})["images"]
        )
        for start in range(0, len(seeds), _BATCH)
    ]
    return torch.from_numpy(np.concatenate(batches)).permute(0, 3, 1, 2).contiguous()


def _report(run: Run, task: "Adversarial", preview: Path) -> tuple[Metric, ...]:
    data, config = task.data, task.network_config
    count = min(COUNT, len(data.train) // 2)
    drawn = _draw(run, range(max(count, _CHECKED, _PREVIEW)), config)
    draw_grid(drawn[:_PREVIEW], preview, columns=_PREVIEW_COLUMNS, scale=1)
    figures = [_metric(task, figure) for figure in _memorised(task, drawn[:_CHECKED])]
    try:
        perception = Perception()
    except DataError as error:
        # Not everybody who trains on pictures of his own has these weights.
        _log.warning("published without distances to the training pictures: %s", error)
        return tuple(figures)
    distances = [_metric(task, figure) for figure in compare(data, drawn[:count], perception)]
    return (*distances, *figures)


def _memorised(task: "Adversarial", drawn: Tensor) -> list[Figure]:
    """Median distance to the nearest training picture, of drawn and of held-out pictures."""
    train = task.data.train.images_NCHW
    sets = {"": drawn, "/held-out": task.data.test.images_NCHW[:_CHECKED]}
    notes = {"": "drawn pictures", "/held-out": "pictures that were not trained on"}
    return [
        Figure(
            f"nearest_rms{which}",
            float(nearest(images, train).rms.median()),
            len(images),
            f"{notes[which]}: median distance in pixels to the most similar training picture",
        )
        for which, images in sets.items()
    ]


def _metric(task: "Adversarial", figure: Figure) -> Metric:
    by_pixels = figure.name.startswith("nearest")
    features = f"; pooled MobileNetV2 features (ImageNet) at {SIDE}×{SIDE}, no FID"
    return Metric(
        name=figure.name,
        value=figure.value,
        unit="grey levels" if by_pixels else "",
        dataset=task.data.title,
        split="train",
        n=figure.n,
        note=figure.note if by_pixels else figure.note + features,
    )
