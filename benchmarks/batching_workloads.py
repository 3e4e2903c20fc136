"""Requests of the batching benchmark, and the store of models that it serves."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from models_store.batching import Batching
from models_store.layout import version_dir
from models_store.manifest import ModelFile
from models_store.verify import TensorMap, read_golden_cases, read_manifest
from service.codecs.images import encode_png
from service.runtime.session import Session

_FOLDER = Path("build/benchmarks/batching")
_STORE = _FOLDER / "store"
_PUBLISHED = Path("models_store")
_COMPRESSOR = "autoencoder-mnist-dense"


@dataclass(frozen=True)
class GraphRow:
    """A graph of one input, and one row for it."""

    folder: Path
    input_name: str
    row: list[object]
    limits: Batching

    def open(self) -> tuple[Session, TensorMap]:
        """Return the graph and its first golden inputs."""
        spec, inputs = _read_graph(self.folder)
        return Session((self.folder / spec.path).read_bytes(), spec), inputs


@dataclass(frozen=True)
class Workload:
    """A request to the service, for a model that batches."""

    name: str
    title: str
    path: str
    body: Path
    media_type: str
    graph: GraphRow | None
    """Row for other servers and bare runs; None if the request runs more than one graph."""


def create_store() -> Path:
    """Publish two graphs with `deepshelf models add`, which measures batches, and copy a model."""
    shutil.rmtree(_FOLDER, ignore_errors=True)
    _STORE.mkdir(parents=True)
    wide = _FOLDER / "wide-mlp.onnx"
    wide.write_bytes(_wide_network())
    encoder = version_dir(_PUBLISHED, _COMPRESSOR, 1) / "encoder.onnx"
    for name, graph in (("mnist-encoder", encoder), ("wide-mlp", wide)):
        command = ["-m", "deepshelf", "models", "--store", str(_STORE), "add", str(graph)]
        subprocess.run([sys.executable, *command, "--name", name], check=True)  # noqa: S603
    shutil.copytree(_PUBLISHED / _COMPRESSOR, _STORE / _COMPRESSOR)
    return _STORE


def load_workloads() -> list[Workload]:
    """Return the workloads of the store."""
    return [
        _predict_workload("mnist-encoder", "dense encoder, 784 → 64"),
        _predict_workload("wide-mlp", "wide dense net, 256 → 3 × 2048 → 10"),
        _compress_workload(),
    ]


def write_body(name: str, content: bytes) -> Path:
    """Write a request body for the load generator."""
    path = _FOLDER / name
    path.write_bytes(content)
    return path


def _predict_workload(name: str, title: str) -> Workload:
    folder = version_dir(_STORE, name, 1)
    spec, inputs = _read_graph(folder)
    (input_name,) = inputs
    row = inputs[input_name][0].tolist()
    body = write_body(f"{name}.json", json.dumps({"inputs": {input_name: [row]}}).encode())
    graph = GraphRow(folder, input_name, row, read_manifest(folder).batching[spec.path])
    return Workload(name, title, "/v1/predict", body, "application/json", graph)


def _compress_workload() -> Workload:
    folder = version_dir(_STORE, _COMPRESSOR, 1)
    manifest = read_manifest(folder)
    golden = folder / manifest.get_file("golden").path
    case = next(iter(read_golden_cases(golden, manifest.get_file("encoder"), 1)))
    body = write_body("digit.png", encode_png(case.inputs["images"][0].astype(np.uint8)))
    return Workload(
        _COMPRESSOR, "compress, dense autoencoder, PNG", "/v1/compress", body, "image/png", None
    )


def _read_graph(folder: Path) -> tuple[ModelFile, TensorMap]:
    """Return the model's graph and the inputs of its first golden case."""
    manifest = read_manifest(folder)
    spec = manifest.get_file("model")
    golden = folder / manifest.get_file("golden").path
    case = next(iter(read_golden_cases(golden, spec, 1)))
    return spec, case.inputs


def _wide_network() -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    random, sizes = np.random.default_rng(0), (256, 2048, 2048, 2048, 10)
    nodes, weights, tensor = [], [], "x"
    for index, (inputs, outputs) in enumerate(pairwise(sizes)):
        matrix = random.standard_normal((inputs, outputs), np.float32) / np.float32(inputs**0.5)
        weights.append(numpy_helper.from_array(matrix, f"w{index}"))
        last = outputs == sizes[-1]
        product = "y" if last else f"product{index}"
        nodes.append(helper.make_node("MatMul", [tensor, f"w{index}"], [product]))
        if not last:
            tensor = f"relu{index}"
            nodes.append(helper.make_node("Relu", [product], [tensor]))
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])
        for name, size in (("x", sizes[0]), ("y", sizes[-1]))
    ]
    graph = helper.make_graph(nodes, "wide", values[:1], values[1:], weights)
    opsets = [helper.make_opsetid("", 17)]
    content: bytes = helper.make_model(
        graph, opset_imports=opsets, ir_version=8
    ).SerializeToString()
    return content
