"""Graphs that entropy coding depends on give identical bits in every runtime."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from models_store.tasks import Compression
from models_store.verify import read_golden_cases, read_manifest

_FOLDER = Path(__file__).parents[3] / "models_store" / "codec-photo" / "1"

_Run = Callable[[None, Mapping[str, NDArray[np.generic]]], list[NDArray[np.generic]]]


def _onnxruntime(path: Path, level: Any, threads: int) -> _Run:
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    run: _Run = session.run
    return run


def _numpy(path: Path) -> _Run:
    """Run ONNX's reference implementation, which is in numpy and adds in another order."""
    reference = ReferenceEvaluator(onnx.load(path))
    return lambda _, inputs: list(reference.run(None, dict(inputs)))


_WAYS: dict[str, Callable[[Path], _Run]] = {
    "as it is written": lambda path: _onnxruntime(
        path, ort.GraphOptimizationLevel.ORT_DISABLE_ALL, 1
    ),
    "on two threads": lambda path: _onnxruntime(path, ort.GraphOptimizationLevel.ORT_ENABLE_ALL, 2),
    "in numpy": _numpy,
}


@pytest.mark.parametrize("way", _WAYS)
def test_the_prior_of_photographs_is_computed_to_the_same_bits(way: str) -> None:
    manifest = read_manifest(_FOLDER)
    assert isinstance(manifest.task, Compression)
    seen = []
    graphs = manifest.graphs()
    for role in manifest.task.exact_roles:
        spec = graphs[role]
        run = _WAYS[way](_FOLDER / spec.path)
        for case in read_golden_cases(_FOLDER / "golden.npz", spec, manifest.golden.cases):
            for output, got in zip(spec.outputs, run(None, dict(case.inputs)), strict=True):
                np.testing.assert_array_equal(got, case.outputs[output.name])
        seen.append(role)
    assert seen == ["features", "low", "middle", "high"]
