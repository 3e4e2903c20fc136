import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from models_store.manifest import Manifest, ModelFile
from models_store.tasks import Classification, Denoising
from tests.models_store.tampering import manifest_json

PACKAGE = Path(__file__).parents[2] / "models_store"

Content = dict[str, Any]


@pytest.fixture
def content(store: Path) -> Content:
    return manifest_json(store / "paint" / "1")


def _graph(content: Content) -> Content:
    graph: Content = content["files"][0]
    assert graph["role"] == "model"
    return graph


def test_the_published_schema_is_that_of_the_code() -> None:
    # `make schema` writes it anew.
    published = json.loads((PACKAGE / "manifest.schema.json").read_text())
    assert published == Manifest.model_json_schema()


@pytest.mark.parametrize("name", ["paint", "all-paint", "blur", "colour-same"])
def test_a_manifest_reads_back_as_it_was_written(store: Path, name: str) -> None:
    text = (store / name / "1" / "manifest.json").read_text()
    manifest = Manifest.model_validate_json(text)
    assert json.loads(manifest.model_dump_json()) == json.loads(text)
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest


@pytest.mark.parametrize(("name", "task"), [("paint", Classification), ("blur", Denoising)])
def test_task_is_selected_by_its_kind(store: Path, name: str, task: type) -> None:
    manifest = Manifest.model_validate(manifest_json(store / name / "1"))
    assert type(manifest.task) is task


def _first(*keys: str | int) -> Callable[[Content], Content]:
    """Return the part of a manifest at `keys`."""

    def find(content: Content) -> Content:
        part: Any = content
        for key in keys:
            part = part[key]
        assert isinstance(part, dict)
        return part

    return find


@pytest.mark.parametrize(
    "where",
    [
        _first(),
        _first("task"),
        _first("task", "image"),
        _first("files", 0),
        _first("files", 0, "inputs", 0),
        _first("golden"),
        _first("provenance"),
    ],
)
def test_unknown_key_is_rejected_at_every_level(
    content: Content, where: Callable[[Content], Content]
) -> None:
    where(content)["sumary"] = "s"
    with pytest.raises(ValidationError, match=r"sumary\n +Extra inputs are not permitted"):
        Manifest.model_validate(content)


def _change(key: str, value: object) -> Callable[[Content], None]:
    return lambda content: content.update({key: value})


def _change_graph(key: str, value: object) -> Callable[[Content], None]:
    return lambda content: _graph(content).update({key: value})


def _without(role: str) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        content["files"] = [file for file in content["files"] if file["role"] != role]

    return change


def _another(role: str, **changes: object) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        (entry,) = (file for file in content["files"] if file["role"] == role)
        content["files"].append({**entry, **changes})

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_change("schema_version", 2), "schema_version"),
        (_change("name", "../paint"), "name"),
        (_change("name", "Paint"), "name"),
        (_change("name", "paint\n"), "name"),
        (_change("version", 0), "version"),
        (_change("task", {"kind": "divination"}), "'divination'.*'classification', 'denoising'"),
        (_change("task", {}), "Unable to extract tag using discriminator 'kind'"),
        (_change("files", []), "files"),
        (_change_graph("path", "../model.onnx"), "path"),
        (_change_graph("path", "/etc/passwd"), "path"),
        (_change_graph("path", ".hidden"), "path"),
        (_change_graph("path", "sub/model.onnx"), "path"),
        (_change_graph("path", "model.onnx\n"), "path"),
        (_change_graph("path", "manifest.json"), "manifest.json cannot list itself"),
        (_change_graph("path", "golden.npz"), "a file is listed twice: golden.npz, golden.npz"),
        (_change_graph("sha256", "0" * 63), "sha256"),
        (_change_graph("sha256", "G" * 64), "sha256"),
        (_change_graph("bytes", 0), "bytes"),
        (_change_graph("role", "oracle"), "role"),
        (_change_graph("inputs", []), "model.onnx is a graph: it needs precision, inputs and"),
        (_change_graph("outputs", []), "model.onnx is a graph: it needs precision, inputs and"),
        (_change_graph("precision", None), "model.onnx is a graph: it needs precision, inputs"),
        (_without("model"), "a classification model needs a file with role model"),
        (_without("golden"), "a classification model needs a file with role golden"),
        (_without("preview"), "a classification model needs a file with role preview"),
        (_change_graph("precision", "int8"), "needs a file with role model"),
        (_another("model", path="b.onnx"), "two files have the role model and precision fp32"),
        (_another("golden", path="b.npz"), "two files have the role golden"),
        (_another("preview", path="b.png", precision="fp32"), "b.png is not a graph"),
    ],
)
def test_inconsistent_manifest_is_rejected(
    content: Content, change: Callable[[Content], None], message: str
) -> None:
    Manifest.model_validate(content)
    change(content)
    with pytest.raises(ValidationError, match=message):
        Manifest.model_validate(content)


def test_every_missing_role_is_named(content: Content) -> None:
    for role in ("golden", "preview"):
        _without(role)(content)
    with pytest.raises(ValidationError, match="needs a file with role golden, preview"):
        Manifest.model_validate(content)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", "null"])
@pytest.mark.parametrize("field", ["atol", "rtol"])
def test_infinite_tolerance_is_rejected(content: Content, field: str, value: str) -> None:
    content["golden"][field] = "?"
    text = json.dumps(content).replace('"?"', value)
    with pytest.raises(ValidationError, match=f"golden.{field}"):
        Manifest.model_validate_json(text)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_metric_that_is_not_finite_is_rejected(content: Content, value: float) -> None:
    # It would be written as null, which no reader of the manifest accepts.
    metric = {"name": "psnr", "value": 1.0, "dataset": "d", "split": "test", "n": 1}
    content["metrics"] = [metric]
    assert Manifest.model_validate(content).metrics[0].value == 1
    metric["value"] = value
    with pytest.raises(ValidationError, match=r"metrics\.0\.value"):
        Manifest.model_validate(content)


def test_a_quantised_variant_stands_beside_its_graph(content: Content) -> None:
    _another("model", path="model-int8.onnx", precision="int8")(content)
    content["files"].reverse()
    content["variants"] = [
        {
            "precision": "int8", "method": "copied", "rtol": 0, "atol": 0, "speedup": 1,
            "hardware": "any", "created": "2026-01-01T00:00:00Z", "command": "none",
            "libraries": {},
        }
    ]  # fmt: skip
    manifest = Manifest.model_validate(content)
    assert manifest.get_file("model").path == "model.onnx"
    assert manifest.graphs()["model"].path == "model.onnx"
    assert manifest.graphs("int8")["model"].path == "model-int8.onnx"


@pytest.mark.parametrize(
    ("role", "is_graph"), [("model", True), ("step", True), ("golden", False), ("preview", False)]
)
def test_graphs_are_distinguished_from_other_files(role: str, is_graph: bool) -> None:
    spec = ({"name": "x", "dtype": "float32", "shape": ("batch", 3)},)
    graph = {"precision": "fp32", "inputs": spec, "outputs": spec} if is_graph else {}
    content = {"path": "x", "role": role, "bytes": 1, "sha256": "0" * 64, **graph}
    assert ModelFile.model_validate(content).is_graph is is_graph


def test_a_manifest_cannot_be_changed(content: Content) -> None:
    manifest = Manifest.model_validate(content)
    with pytest.raises(ValidationError, match="frozen"):
        manifest.version = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tile": 33}, "tile and overlap must be multiples of 4"),
        ({"overlap": 6}, "tile and overlap must be multiples of 4"),
        ({"overlap": 32}, "overlap 32 must be smaller than tile 32"),
        ({"mode": "CMYK"}, "mode"),
    ],
)
def test_inconsistent_tiles_are_rejected(
    store: Path, changes: dict[str, object], message: str
) -> None:
    content = manifest_json(store / "blur" / "1")
    content["task"]["image"] |= changes
    with pytest.raises(ValidationError, match=message):
        Manifest.model_validate(content)


def test_a_classifier_knows_two_labels_at_least(content: Content) -> None:
    content["task"]["labels"] = ["red"]
    with pytest.raises(ValidationError, match="at least 2 items"):
        Manifest.model_validate(content)
