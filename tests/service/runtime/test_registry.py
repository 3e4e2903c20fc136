import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from models_store import tasks
from models_store.layout import file_sha256
from models_store.manifest import Manifest, ModelFile
from models_store.signing.signatures import read_trusted_keys
from models_store.tasks import (
    Classification,
    Denoising,
    FixedImage,
    Task,
    TextGeneration,
)
from service.errors import BackendUnreachable, NotFound, Unavailable
from service.runtime.catalog import ModelCatalog, ModelVersion, VersionState
from service.runtime.graph_loader import LoadOptions, load_session
from service.runtime.loaded_model import Graph, LoadedModel
from service.runtime.registry import Registry
from tests.fakes.image_models import (
    COLORS,
    BoxBlurDenoiser,
    MeanColorClassifier,
    publish_image_model,
)
from tests.fakes.openssh import public_key_line, sign_version


def _states(registry: Registry) -> dict[tuple[str, int], VersionState]:
    return {key: entry.state for key, entry in registry.catalog.versions.items()}


def _reason(registry: Registry, name: str, version: int = 1) -> str:
    return registry.catalog.versions[name, version].reason or ""


def _corrupt(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def _edit_manifest(folder: Path, **changes: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def _loaded(store: Path) -> Registry:
    registry = Registry(store, threads=2)
    registry.refresh()
    return registry


def test_all_versions_are_ready_and_the_highest_is_served(store: Path) -> None:
    registry = _loaded(store)
    assert set(_states(registry).values()) == {"ready"}
    assert registry.catalog.resolve(Classification, "paint").version == 2
    assert registry.catalog.resolve(Classification, "paint", 1).version == 1


def test_before_the_first_scan_the_error_states_that_models_are_loading(store: Path) -> None:
    registry = Registry(store)
    assert not registry.catalog.first_scan_done
    with pytest.raises(Unavailable, match="still being loaded"):
        registry.catalog.resolve(Classification)


def test_one_corrupted_byte_fails_that_model_alone(tmp_path: Path) -> None:
    publish_image_model(tmp_path, "paint", MeanColorClassifier())
    publish_image_model(tmp_path, "blur", BoxBlurDenoiser())
    _corrupt(tmp_path / "paint/1/model.onnx")
    registry = _loaded(tmp_path)
    assert _states(registry) == {("blur", 1): "ready", ("paint", 1): "failed"}
    assert "model.onnx is not the published file" in _reason(registry, "paint")
    assert registry.catalog.resolve(Denoising).name == "blur"
    with pytest.raises(Unavailable, match="not the published file"):
        registry.catalog.resolve(Classification, "paint")
    with pytest.raises(Unavailable, match="no version of paint is ready"):
        registry.catalog.resolve(Classification)


def test_a_bad_version_is_failed_and_the_good_one_below_it_served(tmp_path: Path) -> None:
    publish_image_model(tmp_path, "paint", MeanColorClassifier())
    publish_image_model(tmp_path, "paint", MeanColorClassifier(sharpness=3))
    _corrupt(tmp_path / "paint/2/golden.npz")
    registry = _loaded(tmp_path)
    assert registry.catalog.resolve(Classification).version == 1
    with pytest.raises(Unavailable, match="paint 2 is failed"):
        registry.catalog.resolve(Classification, "paint", 2)


def test_a_model_that_computes_something_else_fails_though_its_hashes_agree(tmp_path: Path) -> None:
    folder = publish_image_model(tmp_path, "paint", MeanColorClassifier())
    other = publish_image_model(tmp_path, "paint", MeanColorClassifier(sharpness=3))
    shutil.copy(other / "model.onnx", folder / "model.onnx")
    files = json.loads((folder / "manifest.json").read_text())["files"]
    graph = folder / "model.onnx"
    files[0] |= {"bytes": graph.stat().st_size, "sha256": file_sha256(graph)}
    _edit_manifest(folder, files=files)
    assert "deviates" in _reason(_loaded(tmp_path), "paint")


def test_labels_that_are_not_as_many_as_the_graphs_classes_fail_at_load(tmp_path: Path) -> None:
    folder = publish_image_model(tmp_path, "paint", MeanColorClassifier())
    task = json.loads((folder / "manifest.json").read_text())["task"]
    _edit_manifest(folder, task={**task, "labels": ["red", "green"]})
    assert "probabilities is float32" in _reason(_loaded(tmp_path), "paint")


def test_unreadable_version_is_failed_with_its_reason(tmp_path: Path) -> None:
    publish_image_model(tmp_path, "good", MeanColorClassifier())
    publish_image_model(tmp_path, "broken-json", MeanColorClassifier())
    (tmp_path / "broken-json/1/manifest.json").write_text("{")
    (tmp_path / "no-manifest/1").mkdir(parents=True)
    moved = publish_image_model(tmp_path, "moved", MeanColorClassifier())
    moved.rename(tmp_path / "moved/7")
    linked = publish_image_model(tmp_path, "linked", MeanColorClassifier())
    (linked / "model.onnx").rename(tmp_path / "elsewhere.onnx")
    (linked / "model.onnx").symlink_to(tmp_path / "elsewhere.onnx")
    _edit_manifest(
        publish_image_model(tmp_path, "future", MeanColorClassifier()), task={"kind": "telepathy"}
    )
    publish_image_model(tmp_path, "no-golden", MeanColorClassifier())
    (tmp_path / "no-golden/1/golden.npz").unlink()
    registry = _loaded(tmp_path)
    states = _states(registry)
    assert states.pop(("good", 1)) == "ready"
    assert set(states.values()) == {"failed"}
    assert "manifest.json cannot be read" in _reason(registry, "no-manifest")
    assert "manifest.json" in _reason(registry, "broken-json")
    assert "is for moved/1, but its folder is moved/7" in _reason(registry, "moved", 7)
    assert "not a plain file" in _reason(registry, "linked")
    assert "telepathy" in _reason(registry, "future")
    assert "golden.npz is missing" in _reason(registry, "no-golden")
    assert not [
        entry for entry in registry.catalog.versions.values() if str(tmp_path) in repr(entry)
    ]


def test_folders_that_are_no_models_are_ignored(tmp_path: Path) -> None:
    for name in ("UPPER/1", "__pycache__/1", ".hidden/1", "good/0", "good/01", "good/v2", "-x/1"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "file").write_text("x")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    publish_image_model(tmp_path, "good", MeanColorClassifier())
    assert _states(_loaded(tmp_path)) == {("good", 1): "ready"}


def test_a_new_version_is_picked_up_and_served(tmp_path: Path) -> None:
    publish_image_model(tmp_path, "paint", MeanColorClassifier())
    registry = _loaded(tmp_path)
    before = registry.catalog.resolve(Classification)
    publish_image_model(tmp_path, "paint", MeanColorClassifier(sharpness=3))
    registry.refresh()
    assert (before.version, registry.catalog.resolve(Classification).version) == (1, 2)


def test_a_new_version_that_is_bad_does_not_replace_the_good_one(tmp_path: Path) -> None:
    publish_image_model(tmp_path, "paint", MeanColorClassifier())
    registry = _loaded(tmp_path)
    _corrupt(
        publish_image_model(tmp_path, "paint", MeanColorClassifier(sharpness=3)) / "model.onnx"
    )
    registry.refresh()
    assert registry.catalog.resolve(Classification).version == 1
    assert _states(registry)["paint", 2] == "failed"


def test_served_version_with_damaged_files_keeps_serving_and_reports_it(tmp_path: Path) -> None:
    publish_image_model(tmp_path, "paint", MeanColorClassifier())
    registry = _loaded(tmp_path)
    loaded = registry.catalog.resolve(Classification)
    _corrupt(tmp_path / "paint/1/model.onnx")
    (tmp_path / "paint/1/model.onnx").touch()
    registry.refresh()
    assert registry.catalog.resolve(Classification) is loaded
    assert "the copy in memory is still served" in _reason(registry, "paint")


def test_a_failed_version_that_is_repaired_becomes_ready(tmp_path: Path) -> None:
    folder = publish_image_model(tmp_path, "paint", MeanColorClassifier())
    good = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(good[:-1])
    registry = _loaded(tmp_path)
    assert _states(registry) == {("paint", 1): "failed"}
    (folder / "model.onnx").write_bytes(good)
    registry.refresh()
    assert _states(registry) == {("paint", 1): "ready"}


def test_a_model_whose_machine_cannot_be_reached_is_not_failed_but_tried_again(
    tmp_path: Path,
) -> None:
    publish_image_model(tmp_path, "blur", BoxBlurDenoiser())
    publish_image_model(tmp_path, "paint", MeanColorClassifier())
    away = {"paint"}

    class _Elsewhere:
        def __init__(self, name: str, graph: Graph) -> None:
            self._name, self._graph = name, graph

        def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
            if self._name in away:
                raise BackendUnreachable("no replica answered")
            return self._graph.run(inputs)

    def open_graph(graph: bytes, manifest: Manifest, spec: ModelFile) -> Graph:
        return _Elsewhere(manifest.name, load_session(graph, manifest, spec))

    registry = Registry(tmp_path, options=LoadOptions(open_graph))
    registry.refresh()
    assert registry.catalog.first_scan_done  # the other one serves meanwhile
    assert _states(registry) == {("blur", 1): "ready", ("paint", 1): "loading"}
    with pytest.raises(Unavailable, match=r"loading \(no replica answered\)"):
        registry.catalog.resolve(Classification, "paint")
    away.clear()
    registry.refresh()
    assert _states(registry) == {("blur", 1): "ready", ("paint", 1): "ready"}


def test_scan_that_is_in_progress_when_the_registry_closes_loads_nothing_more(
    tmp_path: Path,
) -> None:
    publish_image_model(tmp_path, "blur", BoxBlurDenoiser())
    publish_image_model(tmp_path, "paint", MeanColorClassifier())

    def open_graph(graph: bytes, manifest: Manifest, spec: ModelFile) -> Graph:
        registry.close()
        return load_session(graph, manifest, spec)

    registry = Registry(tmp_path, options=LoadOptions(open_graph))
    registry.refresh()
    assert _states(registry) == {("blur", 1): "ready", ("paint", 1): "loading"}


def test_version_whose_folder_is_removed_is_dropped_and_running_requests_complete(
    tmp_path: Path,
) -> None:
    publish_image_model(tmp_path, "paint", MeanColorClassifier())
    publish_image_model(tmp_path, "paint", MeanColorClassifier(sharpness=3))
    registry = _loaded(tmp_path)
    held = registry.catalog.resolve(Classification)
    shutil.rmtree(tmp_path / "paint/2")
    registry.refresh()
    assert registry.catalog.resolve(Classification).version == 1
    assert held.version == 2
    assert held.graphs["model"]
    with pytest.raises(NotFound, match="no version 2; versions: 1"):
        registry.catalog.resolve(Classification, "paint", 2)


def test_a_store_that_vanishes_as_a_whole_empties_nothing(tmp_path: Path) -> None:
    home = tmp_path / "store"
    publish_image_model(home, "paint", MeanColorClassifier())
    registry = _loaded(home)
    home.rename(tmp_path / "away")
    registry.refresh()
    assert registry.catalog.scan_error
    assert registry.catalog.resolve(Classification).version == 1
    (tmp_path / "away").rename(home)
    registry.refresh()
    assert registry.catalog.scan_error is None


def test_second_scan_of_an_unchanged_store_loads_nothing(store: Path) -> None:
    registry = _loaded(store)
    before = registry.catalog
    registry.refresh()
    assert all(registry.catalog.versions[key] is entry for key, entry in before.versions.items())


def test_a_snapshot_that_a_request_holds_never_changes(tmp_path: Path) -> None:
    publish_image_model(tmp_path, "paint", MeanColorClassifier())
    registry = _loaded(tmp_path)
    held = registry.catalog
    publish_image_model(tmp_path, "paint", MeanColorClassifier(sharpness=3))
    registry.refresh()
    assert list(held.versions) == [("paint", 1)]


def test_default_is_the_first_by_name_that_is_no_ensemble(tmp_path: Path) -> None:
    publish_image_model(tmp_path, "aa-ensemble", MeanColorClassifier(members=2))
    assert _loaded(tmp_path).catalog.defaults == {"classification": "aa-ensemble"}
    publish_image_model(tmp_path, "mm-paint", MeanColorClassifier())
    publish_image_model(tmp_path, "zz-paint", MeanColorClassifier())
    assert _loaded(tmp_path).catalog.defaults == {"classification": "mm-paint"}


def test_classifier_with_fewer_labels_is_not_the_default() -> None:
    image = FixedImage(width=8, height=8, mode="RGB", resize="crop")
    published_store = ModelCatalog()
    for name, labels in (("ants-or-bees", COLORS[:2]), ("many", COLORS)):
        task = Classification(image=image, labels=labels)
        model = _model(name, task)
        published_store = published_store.with_version(_ready(model))
    assert published_store.defaults == {"classification": "many"}


def _model(name: str, task: Task) -> LoadedModel[Task]:
    fields: dict[str, Any] = {"name": name, "version": 1, "task": task, "files": ()}
    return LoadedModel(Manifest.model_construct(**fields), task, graphs={}, preview=b"")


def _ready(model: LoadedModel[Task]) -> ModelVersion:
    return ModelVersion(
        model.name, model.version, state="ready", manifest=model.manifest, model=model
    )


def test_a_default_that_is_not_ready_is_replaced_only_by_a_model_of_the_same_labels(
    tmp_path: Path,
) -> None:
    publish_image_model(tmp_path, "two", MeanColorClassifier())
    catalog = _loaded(tmp_path).catalog
    image = FixedImage(width=8, height=8, mode="RGB", resize="crop")
    task = Classification(image=image, labels=tuple(f"label {index}" for index in range(50)))
    many = _model("many", task)
    unloaded = replace(_ready(many), state="unloaded", model=None, reason="by the administrator")
    without = catalog.with_version(unloaded)
    assert without.defaults == {"classification": "many"}
    with pytest.raises(Unavailable, match="no version of many is ready: 1 is unloaded"):
        without.resolve(Classification)
    twin = _model("twin", task)
    assert without.with_version(_ready(twin)).defaults == {"classification": "twin"}
    disabled = catalog.with_version(replace(unloaded, enabled=False))
    assert disabled.defaults == {"classification": "two"}


def test_text_model_with_a_smaller_state_is_not_the_default() -> None:
    published_store = ModelCatalog()
    for name, width in (("numbers", 128), ("plays", 512)):
        state = tasks.RecurrentState(name="hidden", next="next_hidden", layers=1, width=width)
        task = TextGeneration(vocabulary="ab", start="a", states=(state,))
        model = _model(name, task)
        published_store = published_store.with_version(_ready(model))
    assert published_store.defaults == {"text": "plays"}


@pytest.mark.parametrize("name", ["../../etc/passwd", "paint/1", "", "x" * 500, "paint\n"])
def test_a_hostile_name_is_only_ever_not_found(store: Path, name: str) -> None:
    with pytest.raises(NotFound) as raised:
        _loaded(store).catalog.resolve(Classification, name)
    assert len(raised.value.detail) < 200


def test_with_trusted_keys_only_signed_versions_are_served(tmp_path: Path) -> None:
    store = tmp_path / "store"
    publish_image_model(store, "signed", MeanColorClassifier())
    publish_image_model(store, "unsigned", MeanColorClassifier())
    alice = Ed25519PrivateKey.generate()
    (tmp_path / "trusted").write_text(public_key_line(alice, "alice"))
    sign_version(alice, store / "signed" / "1")
    registry = Registry(store, threads=1, trusted_keys=read_trusted_keys(tmp_path / "trusted"))
    registry.refresh()
    assert _states(registry) == {("signed", 1): "ready", ("unsigned", 1): "failed"}
    assert "it is not signed" in _reason(registry, "unsigned")
    sign_version(alice, store / "unsigned" / "1")
    registry.refresh()  # the new signature is found
    assert _states(registry)["unsigned", 1] == "ready"
    _edit_manifest(store / "signed/1", summary="Mine.")
    registry.refresh()
    assert "the copy in memory is still served: the manifest differs from" in _reason(
        registry, "signed"
    )
