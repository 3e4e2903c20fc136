"""Quantised graphs beside those that they were made from."""

import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError

from models_store.errors import IntegrityError, ManifestError, ReplayError
from models_store.manifest import Manifest
from models_store.onnx.runtime import verify_graphs
from models_store.publish import add_variant, file_entry
from models_store.verify import check_files, read_manifest
from tests.fakes.manifest import INT8_VARIANT


def _with_copy(partial: Path, before: Manifest, source: Path) -> Manifest:
    """Add the graph again as if it had been quantised."""
    graph = before.get_file("model")
    path = partial / "model-int8.onnx"
    shutil.copy(source / graph.path, path)
    file = file_entry(
        path, role="model", precision="int8", inputs=graph.inputs, outputs=graph.outputs
    )
    return before.model_copy(
        update={"files": (*before.files, file), "variants": (INT8_VARIANT,), "served": "int8"}
    )


def test_variant_is_added_and_existing_files_are_kept(folder: Path) -> None:
    before = read_manifest(folder)
    after = add_variant(folder, lambda part, was: _with_copy(part, was, folder), verify_graphs)
    assert read_manifest(folder) == after
    check_files(folder, after)
    assert after.files[:-1] == before.files
    assert after.graphs("int8")["model"].path == "model-int8.onnx"
    assert after.tolerances("int8") == (0.0, 0.05)
    assert after.tolerances("fp32") == (before.golden.rtol, before.golden.atol)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["1", "2"]


def test_rejected_variant_leaves_no_trace(folder: Path) -> None:
    before = sorted(path.name for path in folder.iterdir())

    def reject(_: Path, __: Manifest) -> None:
        raise ReplayError("no")

    with pytest.raises(ReplayError):
        add_variant(folder, lambda part, was: _with_copy(part, was, folder), reject)
    assert sorted(path.name for path in folder.iterdir()) == before
    assert sorted(path.name for path in folder.parent.iterdir()) == ["1", "2"]


def test_a_variant_changes_nothing_else(folder: Path) -> None:
    def build(partial: Path, before: Manifest) -> Manifest:
        return _with_copy(partial, before, folder).model_copy(update={"summary": "better"})

    with pytest.raises(ManifestError, match="must not change other fields"):
        add_variant(folder, build, verify_graphs)


def test_a_damaged_version_gets_no_variant(folder: Path) -> None:
    (folder / "preview.png").write_bytes(b"x")
    with pytest.raises(IntegrityError):
        add_variant(folder, lambda part, was: _with_copy(part, was, folder), verify_graphs)


def test_variants_need_both_graphs_and_descriptions(folder: Path) -> None:
    after = add_variant(folder, lambda part, was: _with_copy(part, was, folder), verify_graphs)
    for change, problem in (
        ({"variants": ()}, "but none is described"),
        ({"variants": (INT8_VARIANT, INT8_VARIANT)}, "described twice"),
        ({"files": after.files[:-1]}, "there are graphs of no variant"),
    ):
        content = after.model_copy(update=change).model_dump()
        with pytest.raises(ValidationError, match=problem):
            Manifest.model_validate(content)


def test_served_precision_must_exist(folder: Path) -> None:
    content = read_manifest(folder).model_dump() | {"served": "int8"}
    with pytest.raises(ValidationError, match="no such variant"):
        Manifest.model_validate(content)
