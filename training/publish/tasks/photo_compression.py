"""Publish a trained codec of photographs: graphs, tables, metrics with those of other codecs.

Shapes: B batch, H, W pixels, h × w blocks, S channels of side information.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from models_store.compression.hyperprior import LATENT_RESOLUTION
from models_store.compression.image_codec import HyperpriorImageCodec
from models_store.manifest import Metric, Role
from models_store.tasks import AnySizeImage, ChannelGroup, Compression, Hyperprior
from training.config.recipe import Recipe
from training.errors import ExportError
from training.networks.photo_codec import PhotoCodec
from training.networks.photo_codec.integer_ops import MAX_EXACT_INTEGER
from training.networks.photo_codec.network import PHASES
from training.networks.photo_codec.prior import GroupPrior, SidePrior, max_abs_sum
from training.publish import sample_inputs
from training.publish.compression.frequency_tables import build_scale_tables
from training.publish.compression.photo_codec_report import report
from training.publish.onnx.photo_graphs import (
    FeaturesGraph,
    FirstGroupGraph,
    GroupGraph,
    PhotoDecoderGraph,
    PhotoEncoderGraph,
    freeze,
)
from training.publish.spec import Attachment, ExportSpec, GraphFns, GraphSpec, export_spec
from training.tasks.photo_compression import PhotoCompression

CASE_HW = (96, 112)
GROUP_ROLES = ("low", "middle", "high")
CERTAIN_LEVEL = 4
"""Below this level, a value differs from its mean at most once in 600 times."""
DEADZONE = 4
"""An eighth of a step. Rounding towards the mean costs less than the bytes that it saves."""
TABLE_IMAGES = 40
"""Number of training images, evenly spaced, that the tables are counted on."""


@export_spec.register
def photo_compression_spec(task: PhotoCompression, recipe: Recipe) -> ExportSpec:
    """Describe graphs, tables, metrics on held-out photographs, and one of them as the preview.

    Raises:
        ExportError: when a sum of the prior could exceed the integers that float32 represents.
    """
    codec = freeze(task.codec_to_publish())
    _check_exact_arithmetic(codec)
    images = task.data.train.images[:: max(1, len(task.data.train) // TABLE_IMAGES)][:TABLE_IMAGES]
    tables = build_scale_tables(codec, images, DEADZONE, CERTAIN_LEVEL)
    compression_task = build_compression_task(codec)

    def measure_and_draw(runs: GraphFns, preview: Path) -> tuple[Metric, ...]:
        return report(
            recipe.name,
            HyperpriorImageCodec(compression_task, tables, runs),
            task.data.test.images,
            preview,
        )

    return ExportSpec(
        task=compression_task,
        graphs=graph_specs(codec),
        data=(task.data.to_data_source(),),
        report=measure_and_draw,
        rtol=0.0,
        # One grey level, 1/32 of a step, one unit of side information: rounding may differ on
        # another processor. The prior's graphs must still agree to the last bit
        # (`models_store.verify`).
        atol=1.0,
        parameter_count=sum(parameter.numel() for parameter in codec.parameters()),
        attachments=(
            Attachment("tables", "tables.json", tables.model_dump_json().encode("ascii")),
        ),
    )


def build_compression_task(codec: PhotoCodec) -> Compression:
    """Describe the served task of `codec`."""
    groups = zip(codec.group_sizes, PHASES, strict=True)
    return Compression(
        # Margins of 64 pixels: analysis, its network and side information reach over 40.
        image=AnySizeImage(mode="RGB", multiple_of=32, tile=1152, overlap=128),
        entropy=Hyperprior(
            qualities=codec.config.qualities,
            groups=tuple(ChannelGroup(channels=size, phases=phases) for size, phases in groups),
        ),
    )


def _check_exact_arithmetic(codec: PhotoCodec) -> None:
    priors: list[SidePrior | GroupPrior] = [codec.side_prior, *codec.priors]
    for prior in priors:
        largest = max_abs_sum(prior)
        if largest >= MAX_EXACT_INTEGER:
            raise ExportError(
                f"a sum of {type(prior).__name__} can reach {largest}, and float32 holds whole "
                f"numbers below {MAX_EXACT_INTEGER}: codes would not be portable"
            )


def graph_specs(codec: PhotoCodec) -> tuple[GraphSpec, ...]:
    """Describe the graphs with golden cases from crops of photographs."""
    low, *others = codec.priors
    modules: dict[Role, nn.Module] = {
        "encoder": PhotoEncoderGraph(codec),
        "decoder": PhotoDecoderGraph(codec),
        "features": FeaturesGraph(codec),
        "low": FirstGroupGraph(low),
        "middle": GroupGraph(others[0]),
        "high": GroupGraph(others[1]),
    }
    images = sample_inputs.photo_crops(2, *CASE_HW, "RGB")
    best = codec.config.qualities - 1
    with torch.inference_mode():
        cases = [
            _cases(codec, images, torch.tensor([best // 8, best - 2 * (best > 2)])),
            _cases(codec, images[:1].flip(2), torch.tensor([best])),
        ]
    outputs = {"encoder": ("latents", "side"), "decoder": ("images",), "features": ("features",)}
    axes = {"encoder": {0: "batch", 1: "height", 2: "width"}}
    return tuple(
        GraphSpec(
            role=role,
            module=module,
            outputs=outputs.get(role, ("means", "levels")),
            cases=tuple(case[role] for case in cases),
            dynamic_axes=axes.get(role, {0: "batch", 2: "rows", 3: "columns"}),
        )
        for role, module in modules.items()
    )


def _cases(codec: PhotoCodec, images: Tensor, quality: Tensor) -> dict[str, dict[str, Tensor]]:
    """Return the inputs of each graph for the same images."""
    latents, side = PhotoEncoderGraph(codec)(images, quality)
    parameters = codec.entropy_parameters(
        latents.float() / LATENT_RESOLUTION, side.float(), quality
    )
    decoded = parameters.decoded.short()
    height, width = decoded.shape[2:]
    cases = {
        "encoder": {"images": images, "quality": quality},
        "decoder": {"latents": decoded, "quality": quality},
        "features": {"side": side, "quality": quality},
    }
    context = FeaturesGraph(codec)(side, quality)[:, :, :height, :width].contiguous()
    start = 0
    for role, size, phases in zip(GROUP_ROLES, codec.group_sizes, PHASES, strict=True):
        before = {"before": decoded[:, :start].contiguous()} if start else {}
        cases[role] = {
            "features": context,
            **before,
            "group": decoded[:, start : start + size].contiguous(),
            "row": quality * len(phases) + len(phases) - 1,
        }
        start += size
    return cases
