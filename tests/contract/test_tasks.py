"""What `models_store/tasks.py` says of each task's graphs, against roles and published graphs."""

import re
from pathlib import Path
from typing import get_args

import pytest

from models_store.base import FrozenModel
from models_store.layout import list_model_names, list_versions, version_dir
from models_store.manifest import Manifest, ModelFile
from models_store.onnx.runtime import load_graph_fn
from models_store.tasks import Task
from models_store.verify import check_files, read_manifest, replay_graph
from tests.contract.surface import ROOT

TASKS: dict[str, type[FrozenModel]] = {
    task.model_fields["kind"].default: task for task in get_args(get_args(Task)[0])
}
ROLES = set(get_args(ModelFile.model_fields["role"].annotation))
STORE = ROOT / "models_store"
PUBLISHED = [
    (name, version) for name in list_model_names(STORE) for version in list_versions(STORE, name)
]

_SOURCE = r"`(\w+)` (\w+) \(([^)]*)\)"
_TARGET = r"`(\w+)` (\w+)(?: \(([^)]*)\)|, same shape)"


def _doc(task: type[FrozenModel]) -> str:
    return " ".join((task.__doc__ or "").split())


def _check_documented(manifest: Manifest) -> int:
    """How many of the manifest's graphs have their tensors documented, after comparing them."""
    graphs = re.findall(
        rf"Graph `(\w+)`: {_SOURCE}(?: and states)? → {_TARGET}", _doc(type(manifest.task))
    )
    for role, source, source_type, source_axes, target, target_type, target_axes in graphs:
        graph = manifest.get_file(role)
        for specs, name, dtype, axes in (
            (graph.inputs, source, source_type, source_axes),
            (graph.outputs, target, target_type, target_axes or source_axes),
        ):
            spec = next(spec for spec in specs if spec.name == name)
            assert spec.dtype == dtype
            assert len(spec.shape) == len(axes.split(","))
            assert isinstance(spec.shape[0], str), "the batch must be free"
    return len(graphs)


@pytest.mark.parametrize("kind", TASKS)
def test_a_task_documents_every_file_that_it_needs(kind: str) -> None:
    roles: tuple[str, ...] = getattr(TASKS[kind], "roles")  # noqa: B009  # not of every Frozen
    assert re.findall(r"(?:Graph|File) `(\w+)`", _doc(TASKS[kind])) == list(roles)
    assert set(roles) <= ROLES - {"golden", "preview"}


@pytest.mark.parametrize("name", ["paint", "all-paint", "blur", "colour-same"])
def test_graphs_take_and_give_what_their_task_documents(store: Path, name: str) -> None:
    assert _check_documented(read_manifest(store / name / "1")) == 1


@pytest.mark.parametrize(("name", "version"), PUBLISHED)
def test_what_comes_with_the_repository_verifies(name: str, version: int) -> None:
    folder = version_dir(STORE, name, version)
    manifest = read_manifest(folder)
    check_files(folder, manifest)
    for graph in manifest.graphs().values():
        replay_graph(folder, manifest, graph, load_graph_fn(folder / graph.path))
    assert _check_documented(manifest) >= 1
    assert {metric.n > 0 for metric in manifest.metrics} == {True}
    assert manifest.data
