"""Changing what was published: with the hashes left as they were, or made to fit again."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper


def manifest_json(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return content


def edit_manifest(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    content = manifest_json(folder)
    edit(content)
    (folder / "manifest.json").write_text(json.dumps(content))


def replace_file(folder: Path, path: str, content: bytes) -> None:
    """Put other bytes in a listed file's place, and list them as if they had been published."""
    (folder / path).write_bytes(content)

    def edit(manifest: dict[str, Any]) -> None:
        (entry,) = (file for file in manifest["files"] if file["path"] == path)
        entry |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}

    edit_manifest(folder, edit)


def save_graph(
    nodes: list[onnx.NodeProto], initializers: list[onnx.TensorProto], **model: Any
) -> bytes:
    """Return a serialised graph from `x` to `y`, floats (batch, 4)."""
    tensors = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 4]) for name in "xy"
    ]
    graph = helper.make_graph(nodes, "graph", tensors[:1], tensors[1:], initializers)
    opset = helper.make_opsetid("", 17)
    proto = helper.make_model(graph, opset_imports=[opset], ir_version=8, **model)
    content: bytes = proto.SerializeToString()
    return content


def external_tensor(location: str, name: str = "w") -> onnx.TensorProto:
    """Return a tensor (4, 4) of floats whose data are declared to be in the file `location`."""
    tensor = onnx.TensorProto(
        name=name, data_type=TensorProto.FLOAT, dims=[4, 4], data_location=TensorProto.EXTERNAL
    )
    for key, value in (("location", location), ("offset", "0"), ("length", "64")):
        tensor.external_data.add(key=key, value=value)
    return tensor
