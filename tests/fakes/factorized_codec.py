"""A compression model that can be computed by hand: each pixel is a latent, divided by a step.

`latents = round((images - 128) / step)`, and back. It is published like a trained model. Its tables
give values near 0 more probability than others; values beyond `reach` need the escape.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models_store.compression.factorized import FrequencyTable, FrequencyTables
from models_store.manifest import Manifest
from models_store.onnx.runtime import load_graph_fn
from models_store.publish import file_entry, publish_version
from models_store.tasks import Compression, FixedImage
from models_store.verify import GoldenCase
from tests.fakes.image_models import encode_png, solid_image
from tests.fakes.manifest import build_manifest, graph_file_entry, replay_all_golden

SIDE = 6
_CHANNELS = {"L": 1, "RGB": 3}

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class FakeFactorizedCodec:
    """Quantizes by `step`; 1 is lossless."""

    step: int = 1
    reach: int = 100
    mode: str = "L"

    def image(self) -> FixedImage:
        mode: object = self.mode
        return FixedImage.model_validate(
            {"width": SIDE, "height": SIDE, "mode": mode, "resize": "pad"}
        )

    def frequency_tables(self) -> FrequencyTables:
        """Return triangular frequencies around 0, with one part in 2^16 for the escape."""
        weights = [self.reach + 1 - abs(value) for value in range(-self.reach, self.reach + 1)]
        spare = 2**16 - len(weights) - 1
        shares = [1 + weight * spare // sum(weights) for weight in weights]
        shares[self.reach] += 2**16 - 1 - sum(shares)
        table = FrequencyTable(lowest=-self.reach, frequencies=(*shares, 1))
        return FrequencyTables(tables=(table,) * self._channels)

    @property
    def _channels(self) -> int:
        return _CHANNELS[self.mode]

    def expected_reconstruction(self, image_HWC: Image) -> Image:
        """Return the image that decoding gives."""
        latents = np.rint((image_HWC.astype(np.float64) - 128) / self.step)
        reconstruction: Image = np.clip(latents * self.step + 128, 0, 255).astype(np.uint8)
        return reconstruction

    def encoder(self) -> onnx.GraphProto:
        nodes = [
            helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("Sub", ["floats", "middle"], ["centred"]),
            helper.make_node("Div", ["centred", "step"], ["steps"]),
            helper.make_node("Round", ["steps"], ["rounded"]),
            helper.make_node("Transpose", ["rounded"], ["rounded_BCHW"], perm=[0, 3, 1, 2]),
            helper.make_node("Cast", ["rounded_BCHW"], ["latents"], to=TensorProto.INT16),
        ]
        return helper.make_graph(
            nodes, "encoder", [self._image_value()], [self._latent_value()], self._constants()
        )

    def decoder(self) -> onnx.GraphProto:
        nodes = [
            helper.make_node("Cast", ["latents"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["floats", "step"], ["centred"]),
            helper.make_node("Add", ["centred", "middle"], ["levels"]),
            helper.make_node("Clip", ["levels", "black", "white"], ["clipped"]),
            helper.make_node("Transpose", ["clipped"], ["clipped_BHWC"], perm=[0, 2, 3, 1]),
            helper.make_node("Cast", ["clipped_BHWC"], ["images"], to=TensorProto.UINT8),
        ]
        return helper.make_graph(
            nodes, "decoder", [self._latent_value()], [self._image_value()], self._constants()
        )

    def _image_value(self) -> onnx.ValueInfoProto:
        shape: list[int | str] = ["batch", SIDE, SIDE, self._channels]
        return helper.make_tensor_value_info("images", TensorProto.UINT8, shape)

    def _latent_value(self) -> onnx.ValueInfoProto:
        shape: list[int | str] = ["batch", self._channels, SIDE, SIDE]
        return helper.make_tensor_value_info("latents", TensorProto.INT16, shape)

    def _constants(self) -> list[onnx.TensorProto]:
        values = {"middle": 128, "step": self.step, "black": 0, "white": 255}
        return [
            numpy_helper.from_array(np.array(v, np.float32), name) for name, v in values.items()
        ]


def publish_factorized_codec(store: Path, name: str, model: FakeFactorizedCodec) -> Path:
    """Publish `model` as the next version of `name`; returns the version's folder."""
    return publish_version(store, name, partial(_build, name=name, model=model), replay_all_golden)


def _build(folder: Path, version: int, name: str, model: FakeFactorizedCodec) -> Manifest:
    shape = (2, SIDE, SIDE, _CHANNELS[model.mode])
    images: NDArray[np.generic] = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    inputs, files, cases = {"images": images}, [], {}
    for role, graph in (("encoder", model.encoder()), ("decoder", model.decoder())):
        path = folder / f"{role}.onnx"
        opset = helper.make_opsetid("", 17)
        proto = helper.make_model(graph, opset_imports=[opset], ir_version=8)
        onnx.checker.check_model(proto, full_check=True)
        path.write_bytes(proto.SerializeToString())
        outputs = dict(load_graph_fn(path)(inputs))
        cases[role] = [GoldenCase(inputs, outputs)]
        files.append(graph_file_entry(path, role, graph))
        inputs = outputs
    (folder / "tables.json").write_text(model.frequency_tables().model_dump_json())
    return build_manifest(
        folder,
        (name, version),
        Compression(image=model.image()),
        [*files, file_entry(folder / "tables.json", role="tables")],
        cases,
        preview=encode_png(solid_image(4, 3, (0, 128, 255))),
        atol=0.5,
    )
