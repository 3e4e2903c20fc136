"""Manifest fields and verification that all test models share."""

import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import onnx
from onnx import helper

from models_store.manifest import Golden, Manifest, ModelFile, Provenance, TensorSpec, Variant
from models_store.onnx.runtime import load_graph_fn, verify_graphs
from models_store.publish import add_variant, file_entry
from models_store.tasks import Task
from models_store.verify import GoldenCase, replay_graph, write_golden

INT8_VARIANT = Variant(
    precision="int8",
    method="copied",
    rtol=0.0,
    atol=0.05,
    speedup=1.0,
    hardware="any",
    created=datetime(2026, 1, 1, tzinfo=UTC),
    command="none",
    libraries={},
)


def graph_file_entry(path: Path, role: str, graph: onnx.GraphProto) -> ModelFile:
    """Return the manifest's entry for the graph at `path`."""
    return file_entry(
        path,
        role=role,
        precision="fp32",
        inputs=tuple(_tensor_spec(value) for value in graph.input),
        outputs=tuple(_tensor_spec(value) for value in graph.output),
    )


def build_manifest(
    folder: Path,
    name_and_version: tuple[str, int],
    task: Task,
    files: Sequence[ModelFile],
    cases: Mapping[str, list[GoldenCase]],
    *,
    preview: bytes,
    rtol: float = 0.0,
    atol: float,
) -> Manifest:
    """Write golden cases and preview beside `files`; `name_and_version` is name and version."""
    write_golden(folder / "golden.npz", cases)
    (folder / "preview.png").write_bytes(preview)
    return Manifest(
        name=name_and_version[0],
        version=name_and_version[1],
        created=datetime(2026, 1, 1, tzinfo=UTC),
        summary="Made for a test.",
        task=task,
        files=(
            *files,
            file_entry(folder / "golden.npz", role="golden"),
            file_entry(folder / "preview.png", role="preview"),
        ),
        golden=Golden(cases=len(next(iter(cases.values()))), rtol=rtol, atol=atol),
        parameters=1,
        metrics=(),
        data=(),
        provenance=Provenance(
            recipe={}, command="none", seed=0, git_commit=None, libraries={}, hardware="any",
            duration_s=0,
        ),
        licence="Apache-2.0",
        intended_use="Tests.",
        limits="Everything else.",
    )  # fmt: skip


def replay_all_golden(folder: Path, manifest: Manifest) -> None:
    """Replay every graph's golden cases, as publishing a trained model does."""
    for graph in manifest.graphs().values():
        replay_graph(folder, manifest, graph, load_graph_fn(folder / graph.path))


def _tensor_spec(value: onnx.ValueInfoProto) -> TensorSpec:
    tensor = value.type.tensor_type
    is_text = tensor.elem_type == onnx.TensorProto.STRING
    dtype = "string" if is_text else str(helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    shape = tuple(dim.dim_param or dim.dim_value for dim in tensor.shape.dim)
    return TensorSpec.model_validate({"name": value.name, "dtype": dtype, "shape": shape})


def publish_int8_variant(folder: Path, graph: Path, role: str) -> None:
    """Publish `graph` as the int8 variant of the version in `folder`, as its default precision."""

    def build(partial: Path, before: Manifest) -> Manifest:
        path = partial / f"{role}-int8.onnx"
        shutil.copy(graph, path)
        fp32_graph = before.graphs()[role]
        file = file_entry(
            path, role=role, precision="int8", inputs=fp32_graph.inputs, outputs=fp32_graph.outputs
        )
        return before.model_copy(
            update={"files": (*before.files, file), "variants": (INT8_VARIANT,), "served": "int8"}
        )

    add_variant(folder, build, verify_graphs)
