"""A codec of images of any size that can be computed by hand: 8 × 8 pixels become their mean.

Latents are means of 16 × 16 pixels, and once more their halves; side information is a mean of 4 × 4
latents; a latent's expected mean is that of its neighbours, or the half. It is published like a
trained codec.
"""

import math
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import parser

from models_store.compression.factorized import FrequencyTable
from models_store.compression.hyperprior import ScaleTables
from models_store.compression.image_codec import HyperpriorImageCodec
from models_store.manifest import Manifest
from models_store.onnx.runtime import load_graph_fn
from models_store.publish import file_entry, publish_version
from models_store.tasks import AnySizeImage, ChannelGroup, Compression, Hyperprior
from models_store.verify import GoldenCase
from tests.fakes.image_models import encode_png, solid_image
from tests.fakes.manifest import build_manifest, graph_file_entry, replay_all_golden

TASK = Compression(
    image=AnySizeImage(mode="RGB", multiple_of=32, tile=256, overlap=128),
    entropy=Hyperprior(
        qualities=3,
        groups=(
            ChannelGroup(channels=3, phases=((0,), (3,), (1, 2))),
            ChannelGroup(channels=3, phases=((0, 1, 2, 3),)),
        ),
    ),
)

_HEAD = '<ir_version: 8, opset_import: ["" : 17]>'
_GAINS = "float[3,1,1,1] gains = {0.0625, 0.25, 1.0}"
_GRAPHS = {
    "encoder": f"""{_HEAD}
    encoder (uint8[batch,height,width,3] images, int64[batch] quality)
        => (int16[batch,6,rows,columns] latents, int16[batch,3,a,b] side)
    <{_GAINS}, float middle = {{128.0}}, float half = {{0.5}}, float unit = {{32.0}},
     float coarse = {{0.25}}> {{
        floats = Cast<to = 1>(images)
        planes = Transpose<perm = [0, 3, 1, 2]>(floats)
        centred = Sub(planes, middle)
        means = AveragePool<kernel_shape = [16, 16], strides = [8, 8]>(centred)
        gain = Gather(gains, quality)
        steps = Mul(means, gain)
        halves = Mul(steps, half)
        both = Concat<axis = 1>(steps, halves)
        fine = Mul(both, unit)
        rounded = Round(fine)
        latents = Cast<to = 5>(rounded)
        small = Mul(steps, coarse)
        pooled = AveragePool<kernel_shape = [4, 4], strides = [4, 4], ceil_mode = 1>(small)
        whole = Round(pooled)
        side = Cast<to = 5>(whole)
    }}""",
    "decoder": f"""{_HEAD}
    decoder (int16[batch,6,rows,columns] latents, int64[batch] quality)
        => (uint8[batch,height,width,3] images)
    <{_GAINS}, float middle = {{128.0}}, float unit = {{16.0}}, float black = {{0.0}},
     float white = {{255.0}}, float[4] scales = {{1.0, 1.0, 8.0, 8.0}}, int64[1] three = {{3}},
     int64[1] zero = {{0}}, int64[1] one = {{1}}, int64[2] start = {{4, 4}},
     int64[2] stop = {{-4, -4}}, int64[2] axes = {{2, 3}}> {{
        low = Slice(latents, zero, three, one)
        floats = Cast<to = 1>(low)
        steps = Div(floats, unit)
        gain = Gather(gains, quality)
        means = Div(steps, gain)
        levels = Add(means, middle)
        large = Resize<mode = "nearest", coordinate_transformation_mode = "asymmetric",
            nearest_mode = "floor">(levels, , scales)
        inner = Slice(large, start, stop, axes)
        clipped = Clip(inner, black, white)
        whole = Round(clipped)
        pixels = Transpose<perm = [0, 2, 3, 1]>(whole)
        images = Cast<to = 2>(pixels)
    }}""",
    "features": f"""{_HEAD}
    features (int16[batch,3,a,b] side, int64[batch] quality)
        => (uint8[batch,3,rows,columns] features)
    <float middle = {{30.0}}, float least = {{0.0}}, float most = {{63.0}},
     float[4] scales = {{1.0, 1.0, 4.0, 4.0}}> {{
        floats = Cast<to = 1>(side)
        moved = Add(floats, middle)
        clipped = Clip(moved, least, most)
        large = Resize<mode = "nearest", coordinate_transformation_mode = "asymmetric",
            nearest_mode = "floor">(clipped, , scales)
        features = Cast<to = 2>(large)
    }}""",
    "low": f"""{_HEAD}
    low (uint8[batch,3,rows,columns] features, int16[batch,3,rows,columns] group, int64[batch] row)
        => (int16[batch,3,rows,columns] means, uint8[batch,3,rows,columns] levels)
    <float[3,1,3,3] around = {{0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0,
        0, 1, 0, 1, 0, 1, 0, 1, 0}}, float quarter = {{0.25}}, int64[4] shape = {{-1, 1, 1, 1}},
     float most = {{63.0}}, float least = {{0.0}}> {{
        floats = Cast<to = 1>(group)
        sums = Conv<group = 3, pads = [1, 1, 1, 1]>(floats, around)
        shifted = Mul(sums, quarter)
        floored = Floor(shifted)
        means = Cast<to = 5>(floored)
        known = Cast<to = 1>(features)
        rows_float = Cast<to = 1>(row)
        each = Reshape(rows_float, shape)
        moved = Add(known, each)
        clipped = Clip(moved, least, most)
        levels = Cast<to = 2>(clipped)
    }}""",
    "middle": f"""{_HEAD}
    middle (uint8[batch,3,rows,columns] features, int16[batch,3,rows,columns] before,
            int16[batch,3,rows,columns] group, int64[batch] row)
        => (int16[batch,3,rows,columns] means, uint8[batch,3,rows,columns] levels)
    <float half = {{0.5}}> {{
        floats = Cast<to = 1>(before)
        shifted = Mul(floats, half)
        floored = Floor(shifted)
        means = Cast<to = 5>(floored)
        levels = Identity(features)
    }}""",
}


def scale_tables() -> ScaleTables:
    """Return two-sided geometric distributions, wider from level to level."""
    tables = []
    for level in range(64):
        reach = min(60, 3 + level)
        ratio = level / (level + 3)
        weights = [ratio ** abs(value) for value in range(-reach, reach + 1)]
        spare = 2**16 - len(weights) - 1
        shares = [1 + math.floor(weight * spare / sum(weights)) for weight in weights]
        shares[reach] += 2**16 - 1 - sum(shares)
        tables.append(FrequencyTable(lowest=-reach, frequencies=(*shares, 1)))
    return ScaleTables(
        tables=tuple(tables),
        certain=2,
        side_levels=((9, 9, 9),) * 3,
        side_means=((0, 0, 1),) * 3,
    )


def create_codec(folder: Path) -> HyperpriorImageCodec:
    """Return the codec without a store; its graphs are written to `folder`."""
    for role in _GRAPHS:
        (folder / f"{role}.onnx").write_bytes(_parse_graph(role).SerializeToString())
    runs = {role: load_graph_fn(folder / f"{role}.onnx") for role in _GRAPHS}
    return HyperpriorImageCodec(TASK, scale_tables(), runs)


def publish_hyperprior_codec(store: Path, name: str) -> Path:
    """Publish it as the next version of `name`; returns the version's folder."""
    return publish_version(store, name, partial(_build, name=name), replay_all_golden)


def _parse_graph(role: str) -> onnx.ModelProto:
    return parser.parse_model(_GRAPHS[role])


def _build(folder: Path, version: int, name: str) -> Manifest:
    random = np.random.default_rng(0)
    quality = np.array([0, 2], np.int64)
    tensors: dict[str, NDArray[np.generic]] = {
        "images": random.integers(0, 256, (2, 48, 64, 3), np.uint8),
        "quality": quality,
        "row": quality,
    }
    files, cases = [], {}
    for role in ("encoder", "features", "low", "middle", "decoder"):
        model = _parse_graph(role)
        onnx.checker.check_model(model, full_check=True)
        path = folder / f"{role}.onnx"
        path.write_bytes(model.SerializeToString())
        inputs = {spec.name: tensors[spec.name] for spec in model.graph.input}
        outputs = dict(load_graph_fn(path)(inputs))
        cases[role] = [GoldenCase(inputs, outputs)]
        files.append(graph_file_entry(path, role, model.graph))
        tensors |= outputs
        rows, columns = tensors["latents"].shape[2:]
        if "features" in outputs:
            tensors["features"] = np.ascontiguousarray(outputs["features"][:, :, :rows, :columns])
        tensors["group"] = tensors["before"] = np.ascontiguousarray(tensors["latents"][:, :3])
    (folder / "tables.json").write_text(scale_tables().model_dump_json())
    return build_manifest(
        folder,
        (name, version),
        TASK,
        [*files, file_entry(folder / "tables.json", role="tables")],
        cases,
        preview=encode_png(solid_image(4, 3, (0, 128, 255))),
        atol=0.5,
    )
