"""A generator for tests whose pictures are their latents: grey level 128 + 40 z, in order."""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models_store.manifest import Manifest
from models_store.onnx.runtime import onnxruntime_run
from models_store.publish import publish
from models_store.tasks import Faces
from models_store.verify import Case
from tests.fakes.image_models import png, solid
from tests.fakes.manifest import check, finish, graph_file

__all__ = ["HEIGHT", "LATENT", "TYPICAL", "WIDTH", "picture", "put_faces"]

HEIGHT, WIDTH, CHANNELS = 4, 5, 3
TYPICAL = 3
LATENT = HEIGHT * WIDTH * CHANNELS


def picture(latent_Z: NDArray[np.float32], gain: float = 40.0) -> NDArray[np.uint8]:
    """What the generator draws of a latent: (H, W, C)."""
    levels = np.rint(np.float32(128) + np.float32(gain) * latent_Z).clip(0, 255)
    image: NDArray[np.uint8] = levels.astype(np.uint8).reshape(HEIGHT, WIDTH, CHANNELS)
    return image


def put_faces(store: Path, name: str, gain: float = 40.0) -> Path:
    """Publish it as the next version of `name`; returns the version's folder."""
    return publish(store, name, lambda folder, version: _build(folder, name, version, gain), check)


def _build(folder: Path, name: str, version: int, gain: float) -> Manifest:
    path = folder / "generator.onnx"
    graph = _proto(gain)
    path.write_bytes(graph.SerializeToString())
    latents = np.random.default_rng(0).standard_normal((2, LATENT), np.float32)
    inputs: dict[str, NDArray[np.generic]] = {"latents": latents}
    return finish(
        folder,
        (name, version),
        Faces(latent=LATENT, width=WIDTH, height=HEIGHT, mode="RGB", typical=TYPICAL),
        [graph_file(path, "generator", graph.graph)],
        {"generator": [Case(inputs, onnxruntime_run(path)(inputs))]},
        preview=png(solid(4, 3, (0, 128, 255))),
        atol=1.0,
    )


def _proto(gain: float) -> onnx.ModelProto:
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
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    return made
