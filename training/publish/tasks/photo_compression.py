"""How a trained codec of photographs is published: graphs, tables, figures beside other codecs'.

Shapes: B batch, H, W pixels, h × w blocks, S channels of side information.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from models_store.compression.hyperprior import LATENT_UNIT
from models_store.compression.image_codec import Photographs
from models_store.manifest import Metric, Role
from models_store.tasks import Compression, FreeImage, Group, Hyperprior
from training.errors import ExportError
from training.networks.photo_codec import PhotoCodec
from training.networks.photo_codec.integer_ops import EXACT
from training.networks.photo_codec.network import PHASES
from training.networks.photo_codec.prior import GroupPrior, SidePrior, largest_sum
from training.publish import sample_inputs
from training.publish.compression.photo_codec_report import report
from training.publish.compression.scale_tables import level_tables
from training.publish.onnx.photo_graphs import (
    FeaturesGraph,
    FirstGroupGraph,
    GroupGraph,
    PhotoDecoderGraph,
    PhotoEncoderGraph,
    frozen,
)
from training.publish.spec import Attachment, Graph, Publication, Runs

if TYPE_CHECKING:
    from training.tasks.photo_compression import PhotoCompression

__all__ = ["publication", "publication_graphs"]

CASE_HW = (96, 112)
CERTAIN = 4
"""Below this level a step beside the mean comes once in 600 times or less."""
DEADZONE = 4
"""An eighth of a step: rounding towards the mean costs less than the bytes that it saves."""
COUNTED = 40
"""Training pictures, evenly spread, that the tables are counted on."""


def publication(task: "PhotoCompression") -> Publication:
    """Graphs, tables, figures on photographs not trained on, and one of them as the preview.

    Raises:
        ExportError: a sum of the prior could leave the whole numbers that float32 holds.
    """
    codec = frozen(task.codec())
    _check_exact(codec)
    pictures = task.data.train[:: max(1, len(task.data.train) // COUNTED)][:COUNTED]
    tables = level_tables(codec, pictures, DEADZONE, CERTAIN)
    served = served_task(codec)

    def measured(runs: Runs, preview: Path) -> tuple[Metric, ...]:
        return report(task.recipe.name, Photographs(served, tables, runs), task.data.test, preview)

    return Publication(
        task=served,
        graphs=publication_graphs(codec),
        data=(task.data.describe(),),
        report=measured,
        rtol=0.0,
        # One grey level, 1/32 of a step, one unit of side information: on another processor
        # rounding may fall the other way. The prior's graphs must agree to the last bit all the
        # same (`models_store.verify.replay`).
        atol=1.0,
        parameters=sum(parameter.numel() for parameter in codec.parameters()),
        attachments=(
            Attachment("tables", "tables.json", tables.model_dump_json().encode("ascii")),
        ),
    )


def served_task(codec: PhotoCodec) -> Compression:
    """What a service must know to code with `codec`."""
    groups = zip(codec.group_sizes, PHASES, strict=True)
    return Compression(
        # Margins of 64 pixels: analysis, its network and side information reach over 40.
        image=FreeImage(mode="RGB", multiple_of=32, tile=1152, overlap=128),
        entropy=Hyperprior(
            qualities=codec.config.qualities,
            groups=tuple(Group(channels=size, phases=phases) for size, phases in groups),
        ),
    )


def _check_exact(codec: PhotoCodec) -> None:
    priors: list[SidePrior | GroupPrior] = [codec.side_prior, *codec.priors]
    for prior in priors:
        largest = largest_sum(prior)
        if largest >= EXACT:
            raise ExportError(
                f"a sum of {type(prior).__name__} can reach {largest}, and float32 holds whole "
                f"numbers below {EXACT}: codes would not decode alike everywhere"
            )


def publication_graphs(codec: PhotoCodec) -> tuple[Graph, ...]:
    """Golden cases: pieces of photographs, and what the torch networks made of them."""
    images = sample_inputs.photographs(2, *CASE_HW, "RGB")
    batches = (images, images[:1].flip(2))
    best = codec.config.qualities - 1
    quality_batches = (torch.tensor([best // 8, best - 2 * (best > 2)]), torch.tensor([best]))
    encoder, decoder = PhotoEncoderGraph(codec), PhotoDecoderGraph(codec)
    features = FeaturesGraph(codec)
    cases: dict[str, list[dict[str, Tensor]]] = {
        role: [] for role in ("encoder", "decoder", "features", "low", "middle", "high")
    }
    with torch.inference_mode():
        for pictures, quality in zip(batches, quality_batches, strict=True):
            latents, side = encoder(pictures, quality)
            expected = codec.expected(latents.float() / LATENT_UNIT, side.float(), quality)
            fine = expected.decoded.short()
            cases["encoder"].append({"images": pictures, "quality": quality})
            cases["decoder"].append({"latents": fine, "quality": quality})
            cases["features"].append({"side": side, "quality": quality})
            known = features(side, quality)[:, :, : fine.shape[2], : fine.shape[3]].contiguous()
            start = 0
            for role, size, phases in zip(
                ("low", "middle", "high"), codec.group_sizes, PHASES, strict=True
            ):
                inputs = {"features": known}
                if start:
                    inputs["before"] = fine[:, :start].contiguous()
                inputs["group"] = fine[:, start : start + size].contiguous()
                inputs["row"] = quality * len(phases) + len(phases) - 1
                cases[role].append(inputs)
                start += size
    low, *others = codec.priors
    modules: dict[Role, nn.Module] = {
        "encoder": encoder,
        "decoder": decoder,
        "features": features,
        "low": FirstGroupGraph(low),
        "middle": GroupGraph(others[0]),
        "high": GroupGraph(others[1]),
    }
    outputs = {
        "encoder": ("latents", "side"),
        "decoder": ("images",),
        "features": ("features",),
    }
    return tuple(
        Graph(
            role=role,
            module=module,
            inputs=tuple(cases[role][0]),
            outputs=outputs.get(role, ("means", "levels")),
            free_axes={name: _free(name) for name in cases[role][0]},
            cases=tuple(cases[role]),
        )
        for role, module in modules.items()
    )


def _free(name: str) -> dict[int, str]:
    if name in ("quality", "row"):
        return {0: "batch"}
    if name == "images":
        return {0: "batch", 1: "height", 2: "width"}
    return {0: "batch", 2: "rows", 3: "columns"}
