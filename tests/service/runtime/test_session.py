from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from models_store.errors import ManifestError, ReplayError
from models_store.manifest import ModelFile, TensorSpec
from models_store.onnx.runtime import load_graph_fn
from models_store.verify import read_manifest
from service.runtime.session import Session


@pytest.fixture(scope="module")
def graph(store: Path) -> tuple[bytes, ModelFile]:
    folder = store / "paint" / "1"
    return (folder / "model.onnx").read_bytes(), read_manifest(folder).get_file("model")


def test_outputs_come_by_name(graph: tuple[bytes, ModelFile]) -> None:
    outputs = Session(*graph).run({"images": np.zeros((2, 8, 8, 3), np.uint8)})
    assert np.allclose(outputs["probabilities"], 1 / 3)


def test_many_threads_may_run_at_once(graph: tuple[bytes, ModelFile]) -> None:
    session = Session(*graph)
    images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 3), np.uint8)
    together = session.run({"images": images})["probabilities"]
    with ThreadPoolExecutor(8) as pool:
        alone = list(pool.map(lambda image: session.run({"images": image[np.newaxis]}), images))
    assert np.allclose(
        np.concatenate([outputs["probabilities"] for outputs in alone]), together, atol=1e-6
    )


def test_read_only_input_can_be_run(graph: tuple[bytes, ModelFile]) -> None:
    image = np.zeros((1, 8, 8, 3), np.uint8)
    image.flags.writeable = False  # as decoders give it
    Session(*graph).run({"images": image})


@pytest.mark.parametrize(
    "change",
    [
        {"name": "pictures"},
        {"dtype": "float32"},
        {"shape": ("batch", 8, 8, 1)},
        {"shape": ("batch", 8, 8)},
        {"shape": (1, 8, 8, 3)},
    ],
)
def test_graph_that_differs_from_its_manifest_is_rejected(
    graph: tuple[bytes, ModelFile], change: dict[str, object]
) -> None:
    data, spec = graph
    wrong = TensorSpec.model_validate({**spec.inputs[0].model_dump(), **change})
    with pytest.raises(ManifestError, match="the manifest states"):
        Session(data, spec.model_copy(update={"inputs": (wrong,)}))


def test_the_names_of_free_dimensions_do_not_matter(graph: tuple[bytes, ModelFile]) -> None:
    data, spec = graph
    renamed = spec.inputs[0].model_copy(update={"shape": ("n", 8, 8, 3)})
    Session(data, spec.model_copy(update={"inputs": (renamed,)}))


def test_a_graph_in_the_format_of_onnxruntime_is_rejected(
    graph: tuple[bytes, ModelFile], tmp_path: Path
) -> None:
    # Of the two formats that onnxruntime detects, only ONNX is what a manifest was checked for.
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "model.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(graph[0], options, providers=["CPUExecutionProvider"])
    saved = (tmp_path / "model.ort").read_bytes()
    assert saved[4:8] == b"ORTM"
    onnxruntime.InferenceSession(saved, providers=["CPUExecutionProvider"])  # detected by default
    with pytest.raises(ReplayError, match=r"model\.onnx is not a graph"):
        Session(saved, graph[1])
    (tmp_path / "model.onnx").write_bytes(saved)
    with pytest.raises(ReplayError, match=r"model\.onnx is not a graph"):
        load_graph_fn(tmp_path / "model.onnx")


def test_bytes_that_are_no_graph_are_rejected(graph: tuple[bytes, ModelFile]) -> None:
    with pytest.raises(ReplayError, match=r"model\.onnx is not a graph"):
        Session(b"\x00nonsense", graph[1])
