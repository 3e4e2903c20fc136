"""A generator for tests whose images are their latents: grey level 128 + 40 z, in order."""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models_store.manifest import Manifest
from models_store.onnx.runtime import load_graph_fn
from models_store.publish import publish_version
from models_store.tasks import FaceGeneration
from models_store.verify import GoldenCase
from tests.fakes.image_models import encode_png, solid_image
from tests.fakes.manifest import build_manifest, graph_file_entry, replay_all_golden

HEIGHT, WIDTH, CHANNELS = 4, 5, 3
TYPICAL = 3
LATENT = HEIGHT * WIDTH * CHANNELS


def expected_image(latent_Z: NDArray[np.float32], gain: float = 40.0) -> NDArray[np.uint8]:
    """Return the image (H, W, C) that the generator draws for a latent."""
    levels = np.rint(np.float32(128) + np.float32(gain) * latent_Z).clip(0, 255)
    image: NDArray[np.uint8] = levels.astype(np.uint8).reshape(HEIGHT, WIDTH, CHANNELS)
    return image


def publish_generator(store: Path, name: str, gain: float = 40.0) -> Path:
    """Publish it as the next version of `name`; returns the version's folder."""
    return publish_version(
        store, name, lambda folder, version: _build(folder, name, version, gain), replay_all_golden
    )


def _build(folder: Path, name: str, version: int, gain: float) -> Manifest:
    path = folder / "generator.onnx"
    graph = _build_model_proto(gain)
    path.write_bytes(graph.SerializeToString())
    latents = np.random.default_rng(0).standard_normal((2, LATENT), np.float32)
    inputs: dict[str, NDArray[np.generic]] = {"latents": latents}
    return build_manifest(
        folder,
        (name, version),
        FaceGeneration(latent=LATENT, width=WIDTH, height=HEIGHT, mode="RGB", typical=TYPICAL),
        [graph_file_entry(path, "generator", graph.graph)],
        {"generator": [GoldenCase(inputs, load_graph_fn(path)(inputs))]},
        preview=encode_png(solid_image(4, 3, (0, 128, 255))),
        atol=1.0,
    )


def _build_model_proto(gain: float) -> onnx.ModelProto:
    constants = {
        "gain": np.array(gain, np.float32),
        "middle": np.array(128, np.float32),
        "low": np.array(0, np.float32),
        "high": np.array(255, np.float32),
        "shape": np.array([-1, HEIGHT, WIDTH, CHANNELS]),
    }
    nodes = [
        helper.make_node("Mul", ["latents", "gain"], ["scaled"]),
        helper.make_node("Add", ["scaled", "middle"], ["moved"]),
        helper.make_node("Round", ["moved"], ["levels"]),
        helper.make_node("Clip", ["levels", "low", "high"], ["clipped"]),
        helper.make_node("Reshape", ["clipped", "shape"], ["floats"]),
        helper.make_node("Cast", ["floats"], ["images"], to=TensorProto.UINT8),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "generator",
        [value("latents", TensorProto.FLOAT, ["batch", LATENT])],
        [value("images", TensorProto.UINT8, ["batch", HEIGHT, WIDTH, CHANNELS])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model_proto = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    onnx.checker.check_model(model_proto, full_check=True)
    return model_proto
