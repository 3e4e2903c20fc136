"""Publish a trained autoencoder: two graphs, and the tables of its entropy coding.

Shapes: N images, H height, W width, C channels, D latent dimensions of h × w positions.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models_store.compression.factorized import FrequencyTables
from models_store.manifest import Metric
from models_store.tasks import Compression as ServedCompression
from models_store.tasks import FixedImage
from training.config.recipe import Recipe
from training.errors import ExportError
from training.networks.autoencoder import Autoencoder
from training.publish import sample_inputs
from training.publish.compression.compression_report import BATCH, report
from training.publish.compression.frequency_tables import build_frequency_tables
from training.publish.onnx.graphs import DecoderGraph, EncoderGraph
from training.publish.spec import Attachment, ExportSpec, GraphFns, GraphSpec, export_spec
from training.tasks.compression import Compression

CASES, CASE_SIZE = 2, 4


@export_spec.register
def compression_spec(task: Compression, recipe: Recipe) -> ExportSpec:
    """Describe graphs, tables, metrics with those of other codecs, and digits as the preview."""
    data, network = task.data, task.autoencoder_to_publish().eval().cpu()
    height, width = data.size_HW
    encoder, decoder = EncoderGraph(network), DecoderGraph(network)
    tables = _tables(encoder, data.train.images_NCHW.permute(0, 2, 3, 1))
    images = _select_far_from_ties(
        network, _sample_images(data.channels, height), CASES * CASE_SIZE
    )
    with torch.inference_mode():
        latents = encoder(images)

    def measure_and_draw(runs: GraphFns, preview: Path) -> tuple[Metric, ...]:
        if not np.array_equal(runs["encoder"]({"images": images.numpy()})["latents"], latents):
            raise ExportError("onnxruntime and torch round latents differently, far from any tie")
        return report(recipe.name, task, network, runs, tables, preview)

    return ExportSpec(
        task=ServedCompression(
            image=FixedImage(width=width, height=height, mode=data.mode, resize="pad")
        ),
        graphs=(
            GraphSpec(
                role="encoder",
                module=encoder,
                outputs=("latents",),
                cases=tuple({"images": part} for part in torch.split(images, CASE_SIZE)),
            ),
            GraphSpec(
                role="decoder",
                module=decoder,
                outputs=("images",),
                cases=tuple({"latents": part} for part in torch.split(latents, CASE_SIZE)),
            ),
        ),
        data=(data.to_data_source(),),
        report=measure_and_draw,
        rtol=0.0,
        # One grey level: rounding may differ on another processor.
        atol=1.0,
        attachments=(
            Attachment("tables", "tables.json", tables.model_dump_json().encode("ascii")),
        ),
    )


def _tables(encoder: EncoderGraph, images_NHWC: Tensor) -> FrequencyTables:
    with torch.inference_mode():
        parts = [encoder(images).numpy() for images in torch.split(images_NHWC, BATCH)]
    return build_frequency_tables(np.concatenate(parts))


def _sample_images(channels: int, side: int) -> Tensor:
    """Return rendered digits, each also shifted by up to two pixels, as uint8 (N, H, W, C)."""
    digits = sample_inputs.rendered_digits(side)
    shifted = [digits.roll((dy, dx), (1, 2)) for dy in range(-2, 3) for dx in range(-2, 3)]
    return torch.cat(shifted).expand(-1, -1, -1, channels).contiguous()


def _select_far_from_ties(network: Autoencoder, images_NHWC: Tensor, count: int) -> Tensor:
    """Return the images whose latents are farthest from a rounding tie.

    Near n + ½ the last bit of a float decides, on which runtimes disagree, so such an image cannot
    verify a graph.
    """
    with torch.inference_mode():
        latents = network.encode(images_NHWC.permute(0, 3, 1, 2).float() / 255)
    margin_N = 0.5 - (latents - latents.round()).abs().flatten(1).amax(1)
    return images_NHWC[margin_N.topk(count).indices]
