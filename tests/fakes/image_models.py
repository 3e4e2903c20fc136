"""A small store for tests: published graphs whose outputs can be computed by hand.

`MeanColorClassifier` classifies an image by its mean colour, `BoxBlurDenoiser` returns the
image or its box blur. Both pass through `models_store.publish` with hashes, golden cases and a
preview, like a trained model.
"""

import struct
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models_store.manifest import Manifest
from models_store.onnx.runtime import load_graph_fn
from models_store.publish import publish_version
from models_store.tasks import AnySizeImage, Classification, Denoising, FixedImage, Task
from models_store.verify import GoldenCase
from tests.fakes.manifest import build_manifest, graph_file_entry, replay_all_golden

COLORS = ("red", "green", "blue")
_OPSET = 17
_IR_VERSION = 8  # of opset 17; onnx writes the newest by default

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class MeanColorClassifier:
    """Classifies as `red`, `green` or `blue` by softmax(sharpness × mean colour in 0 … 1)."""

    size: int = 8
    sharpness: float = 10.0
    members: int = 0
    """Number of ensemble members, 0 for no ensemble. Member m has (m + 1) × the sharpness."""

    def task(self) -> Task:
        image = FixedImage(width=self.size, height=self.size, mode="RGB", resize="stretch")
        return Classification(image=image, labels=COLORS)

    def graph(self) -> onnx.GraphProto:
        sharpness = np.float32(self.sharpness) / np.float32(255)
        factors = np.arange(1, max(self.members, 1) + 1, dtype=np.float32) * sharpness
        nodes = [
            helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["floats"], ["means"], axes=[1, 2], keepdims=0),
            helper.make_node("Unsqueeze", ["means", "axis"], ["means_B1K"]),
            helper.make_node("Mul", ["means_B1K", "factors"], ["logits"]),  # (B, M, K)
            helper.make_node("Softmax", ["logits"], ["members"], axis=2),
            helper.make_node("ReduceMean", ["members"], ["probabilities"], axes=[1], keepdims=0),
        ]
        outputs = [_value("probabilities", TensorProto.FLOAT, ["batch", 3])]
        if self.members:
            outputs.append(_value("members", TensorProto.FLOAT, ["batch", self.members, 3]))
        return helper.make_graph(
            nodes,
            "paint",
            [_value("images", TensorProto.UINT8, ["batch", self.size, self.size, 3])],
            outputs,
            [
                numpy_helper.from_array(np.array([1], dtype=np.int64), "axis"),
                numpy_helper.from_array(factors.reshape(1, -1, 1), "factors"),
            ],
        )

    def inputs(self) -> list[Image]:
        noise = np.random.default_rng(0).integers(0, 256, (1, self.size, self.size, 3), np.uint8)
        return [noise, np.concatenate([noise, 255 - noise])]


@dataclass(frozen=True)
class BoxBlurDenoiser:
    """Returns the mean of the square of `reach` pixels around each pixel; 0 returns the image."""

    mode: str = "L"
    reach: int = 0
    tile: int = 32

    def task(self) -> Task:
        mode: object = self.mode
        image = AnySizeImage.model_validate(
            {"mode": mode, "multiple_of": 4, "tile": self.tile, "overlap": 8}
        )
        return Denoising(image=image, noise="none: this is a box blur")

    def graph(self) -> onnx.GraphProto:
        channels, side = {"L": 1, "RGB": 3}[self.mode], 2 * self.reach + 1
        shape: list[int | str] = ["batch", "height", "width", channels]
        nodes = [
            helper.make_node("Cast", ["images"], ["floats_BHWC"], to=TensorProto.FLOAT),
            helper.make_node("Transpose", ["floats_BHWC"], ["floats"], perm=[0, 3, 1, 2]),
            helper.make_node(
                "AveragePool", ["floats"], ["means"], kernel_shape=[side] * 2, pads=[self.reach] * 4
            ),
            helper.make_node("Round", ["means"], ["rounded"]),
            helper.make_node("Transpose", ["rounded"], ["rounded_BHWC"], perm=[0, 2, 3, 1]),
            helper.make_node("Cast", ["rounded_BHWC"], ["denoised"], to=TensorProto.UINT8),
        ]
        return helper.make_graph(
            nodes,
            "blur",
            [_value("images", TensorProto.UINT8, shape)],
            [_value("denoised", TensorProto.UINT8, shape)],
        )

    def inputs(self) -> list[Image]:
        shape = (1, 12, 16, {"L": 1, "RGB": 3}[self.mode])
        return [np.random.default_rng(0).integers(0, 256, shape, np.uint8)]


def publish_image_model(
    store: Path, name: str, model: MeanColorClassifier | BoxBlurDenoiser
) -> Path:
    """Publish `model` as the next version of `name`; returns the version's folder."""
    return publish_version(store, name, partial(_build, name=name, model=model), replay_all_golden)


def _build(
    folder: Path, version: int, name: str, model: MeanColorClassifier | BoxBlurDenoiser
) -> Manifest:
    path = folder / "model.onnx"
    opset = helper.make_opsetid("", _OPSET)
    proto = helper.make_model(model.graph(), opset_imports=[opset], ir_version=_IR_VERSION)
    onnx.checker.check_model(proto, full_check=True)
    path.write_bytes(proto.SerializeToString())
    run = load_graph_fn(path)
    cases = [GoldenCase({"images": images}, run({"images": images})) for images in model.inputs()]
    return build_manifest(
        folder,
        (name, version),
        model.task(),
        [graph_file_entry(path, "model", proto.graph)],
        {"model": cases},
        preview=encode_png(solid_image(4, 3, (0, 128, 255))),
        rtol=1e-5,
        atol=1e-6,
    )


def _value(name: str, dtype: int, shape: list[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape)


def solid_image(width: int, height: int, color: tuple[int, int, int]) -> Image:
    """Return an image (H, W, 3) of one colour."""
    return np.full((height, width, 3), color, np.uint8)


def encode_png(image_HWC: Image) -> bytes:
    """Encode a PNG without a library, so that tests do not check a codec against itself."""
    height, width, channels = image_HWC.shape
    header = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in image_HWC)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", header),
            png_chunk(b"IDAT", zlib.compress(rows)),
            png_chunk(b"IEND", b""),
        ]
    )


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk: length, kind, data, CRC."""
    crc = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)
