"""Published models against the signatures of their tasks."""

from pathlib import Path

import pytest

from models_store.graph_signature import check_graph_signatures
from models_store.layout import list_model_names, list_versions, version_dir
from models_store.onnx.runtime import verify_graphs
from models_store.verify import check_files, read_manifest
from tests.repository import ROOT

STORE = ROOT / "models_store"
PUBLISHED = [
    (name, version) for name in list_model_names(STORE) for version in list_versions(STORE, name)
]


@pytest.mark.parametrize("name", ["paint", "all-paint", "blur", "colour-same"])
def test_graphs_of_test_models_have_the_tensors_of_their_task(store: Path, name: str) -> None:
    manifest = read_manifest(store / name / "1")
    check_graph_signatures(manifest.task, manifest.graphs())


@pytest.mark.parametrize(("name", "version"), PUBLISHED)
def test_published_model_verifies(name: str, version: int) -> None:
    folder = version_dir(STORE, name, version)
    manifest = read_manifest(folder)
    check_files(folder, manifest)
    verify_graphs(folder, manifest)
    assert {metric.n > 0 for metric in manifest.metrics} == {True}
    assert manifest.data
