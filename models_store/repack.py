"""Store a model's weights as float16, as a new version with half the bytes.

The graphs compute in float32, so that speed and memory stay the same, and are rounded once. Golden
cases are computed anew; metrics are copied, because the outputs hardly change.
"""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from models_store.errors import AddError, ReplayError
from models_store.layout import list_versions, version_dir
from models_store.manifest import Manifest, ModelFile
from models_store.onnx.half_precision import store_as_float16
from models_store.onnx.metadata import graph_metadata
from models_store.onnx.runtime import load_graph_fn, verify_graphs
from models_store.publish import file_entry, publish_version
from models_store.tasks import Compression
from models_store.verify import (
    GoldenCase,
    check_files,
    read_golden_cases,
    read_manifest,
    write_golden,
)

_MAX_CHANGE = 0.01
"""Largest change of a golden output, as a share of the largest value of that output."""


@dataclass(frozen=True)
class Repacked:
    """A repacked version."""

    folder: Path
    bytes_before: int
    bytes_after: int
    change: float
    """Largest change of a golden output, as a share of the largest value of that output."""


def repack(store: Path, name: str) -> Repacked:
    """Publish the newest version of `name` again with its float32 weights stored as float16.

    Quantised variants keep their weights. The metadata of every graph is written anew.

    Raises:
        AddError: the model has no large float32 weights, or codes depend on its exact outputs.
        ReplayError: an output would change by more than 1 % of its largest value.
        StoreError: there is no such model, it is damaged, or the store is not writable.
    """
    source = version_dir(store, name, max(list_versions(store, name), default=1))
    manifest = read_manifest(source)
    check_files(source, manifest)
    if isinstance(manifest.task, Compression):
        raise AddError(f"{name} is a codec: existing codes need its exact weights")
    changes: list[float] = []

    def build(folder: Path, number: int) -> Manifest:
        graphs = manifest.graphs("fp32")
        cases = {
            role: _repack_graph(source, folder, manifest, spec, number, changes)
            for role, spec in graphs.items()
        }
        files = []
        for file in manifest.files:
            if file.role == "golden":
                write_golden(folder / file.path, cases)
            elif file.precision == "int8":
                model = onnx.load(source / file.path)
                _write_graph(model, folder / file.path, manifest, number)
            elif not file.is_graph:
                shutil.copy(source / file.path, folder / file.path)
            fields = file.model_dump(exclude={"path", "bytes", "sha256"})
            files.append(file_entry(folder / file.path, **fields))
        return manifest.model_copy(
            update={
                "version": number,
                "files": tuple(files),
                "created": datetime.now(UTC).replace(microsecond=0),
            }
        )

    folder = publish_version(store, name, build, verify_graphs)
    before, after = (
        sum(file.bytes for file in each.files) for each in (manifest, read_manifest(folder))
    )
    return Repacked(folder, before, after, max(changes))


def _write_graph(model: onnx.ModelProto, path: Path, manifest: Manifest, version: int) -> None:
    metadata = graph_metadata(manifest.name, version, manifest.licence, manifest.provenance.recipe)
    existing = {item.key: item.value for item in model.metadata_props}
    onnx.helper.set_model_props(model, {**existing, **metadata})
    path.write_bytes(model.SerializeToString())


def _repack_graph(
    source: Path,
    folder: Path,
    manifest: Manifest,
    spec: ModelFile,
    version: int,
    changes: list[float],
) -> list[GoldenCase]:
    """Write the graph with float16 weights; return its golden cases and append their changes."""
    model = onnx.load(source / spec.path)
    if not store_as_float16(model):
        raise AddError(f"{spec.path} has no large float32 weights to store as float16")
    _write_graph(model, folder / spec.path, manifest, version)
    run = load_graph_fn(folder / spec.path)
    cases = []
    golden = source / manifest.get_file("golden").path
    for case in read_golden_cases(golden, spec, manifest.golden.cases):
        outputs = run(case.inputs)
        for name, expected in case.outputs.items():
            change = _change(outputs[name], expected)
            if change > _MAX_CHANGE:
                raise ReplayError(
                    f"{name} of {spec.path} would change by {change:.1%} of its range"
                )
            changes.append(change)
        cases.append(GoldenCase(case.inputs, {name: outputs[name] for name in case.outputs}))
    return cases


def _change(output: NDArray[np.generic], expected: NDArray[np.generic]) -> float:
    """Return the largest change as a share of the largest value; 1 if a label changes."""
    if expected.dtype.kind != "f" and expected.dtype != np.uint8:
        return float(not np.array_equal(output, expected))
    wide = expected.astype(np.float64)
    largest = np.abs(wide).max(initial=1e-9)
    return float(np.abs(output.astype(np.float64) - wide).max(initial=0.0) / largest)
