"""How a trained autoencoder is published: two graphs, and the tables that its codes need.

Shapes: N pictures, H and W their sides, C channels, D latent dimensions of h × w places.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from models_store.compression.factorized import FrequencyTables
from models_store.manifest import Metric
from models_store.tasks import Compression as ServedCompression
from models_store.tasks import FixedImage
from training.errors import ExportError
from training.networks.autoencoder import Autoencoder
from training.publish import sample_inputs
from training.publish.compression.compression_report import BATCH, report
from training.publish.compression.frequency_tables import build_frequency_tables
from training.publish.onnx.graphs import DecoderGraph, EncoderGraph
from training.publish.spec import Attachment, ExportSpec, GraphFns, GraphSpec

if TYPE_CHECKING:
    from training.tasks.compression import Compression

__all__ = ["export_spec"]

CASES, CASE_SIZE = 2, 4


def export_spec(task: "Compression") -> ExportSpec:
    """Graphs, tables, figures on the test set beside other codecs', and digits as the preview."""
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
            raise ExportError("onnxruntime rounds latents otherwise than torch, far from any tie")
        return report(task, network, runs, tables, preview)

    return ExportSpec(
        task=ServedCompression(
            image=FixedImage(
                width=width, height=height, mode="L" if data.channels == 1 else "RGB", resize="pad"
            )
        ),
        graphs=(
            GraphSpec(
                role="encoder",
                module=encoder,
                inputs=("images",),
                outputs=("latents",),
                dynamic_axes={"images": {0: "batch"}},
                cases=tuple({"images": part} for part in torch.split(images, CASE_SIZE)),
            ),
            GraphSpec(
                role="decoder",
                module=decoder,
                inputs=("latents",),
                outputs=("images",),
                dynamic_axes={"latents": {0: "batch"}},
                cases=tuple({"latents": part} for part in torch.split(latents, CASE_SIZE)),
            ),
        ),
        data=(data.to_data_source(),),
        report=measure_and_draw,
        rtol=0.0,
        # One grey level: on another processor rounding may fall the other way.
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
    """Rendered digits, each also moved by a pixel or two, as uint8 (N, H, W, C)."""
    digits = sample_inputs.rendered_digits(side)
    shifted = [digits.roll((dy, dx), (1, 2)) for dy in range(-2, 3) for dx in range(-2, 3)]
    return torch.cat(shifted).expand(-1, -1, -1, channels).contiguous()


def _select_far_from_ties(network: Autoencoder, images_NHWC: Tensor, count: int) -> Tensor:
    """The pictures whose latents lie farthest from where rounding turns.

    Near n + ½ the last bit of a float decides, and no two runtimes agree on that: such a picture
    proves nothing about a graph.
    """
    with torch.inference_mode():
        latents = network.encode(images_NHWC.permute(0, 3, 1, 2).float() / 255)
    margin_N = 0.5 - (latents - latents.round()).abs().flatten(1).amax(1)
    return images_NHWC[margin_N.topk(count).indices]
