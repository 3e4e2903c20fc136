"""Loading and unloading by hand: by one registry, and by several that share a folder."""

import shutil
from pathlib import Path

import pytest

from models_store.layout import version_dir
from service.errors import NotFound, Unavailable
from service.runtime.model_control import ModelOverrides
from service.runtime.registry import Registry
from tests.fakes.image_models import MeanColorClassifier, publish_image_model


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    publish_image_model(folder, "paint", MeanColorClassifier())
    publish_image_model(folder, "other", MeanColorClassifier())
    return folder


def states(registry: Registry) -> dict[str, str]:
    return {f"{e.name} {e.version}": e.state for e in registry.catalog.versions.values()}


def test_unloaded_model_stays_unloaded_until_it_is_loaded(store: Path) -> None:
    registry = Registry(store)
    registry.refresh()
    kept = registry.catalog.served_models["paint"]
    registry.unload("paint")
    publish_image_model(store, "paint", MeanColorClassifier(sharpness=3))
    registry.refresh()
    assert states(registry) == {
        "other 1": "ready", "paint 1": "unloaded", "paint 2": "unloaded",
    }  # fmt: skip
    entry = registry.catalog.get_version("paint")
    assert entry.reason == "unloaded by the administrator"
    assert entry.manifest is not None
    assert kept.graphs  # a request under way goes on with it
    registry.load("paint")
    assert set(states(registry).values()) == {"ready"}


def test_override_takes_precedence_over_the_settings(store: Path) -> None:
    registry = Registry(store, enabled_models=["other"])
    registry.refresh()
    assert states(registry) == {"other 1": "ready", "paint 1": "unloaded"}
    registry.load("paint")
    registry.unload("other")
    assert states(registry) == {"other 1": "unloaded", "paint 1": "ready"}
    registry.unload("paint")
    assert registry.catalog.get_version("paint").reason == "unloaded by the administrator"


def test_a_version_that_failed_is_tried_again(store: Path) -> None:
    graph = version_dir(store, "paint", 1) / "model.onnx"
    whole = graph.read_bytes()
    graph.write_bytes(whole[:-1])
    registry = Registry(store)
    registry.refresh()
    assert states(registry)["paint 1"] == "failed"
    with pytest.raises(Unavailable, match="no version of paint could be loaded: 1 is failed"):
        registry.load("paint")
    graph.write_bytes(whole)
    registry.load("paint")
    assert states(registry)["paint 1"] == "ready"


def test_unknown_name_error_lists_the_models(store: Path) -> None:
    registry = Registry(store)
    registry.refresh()
    for act in (registry.load, registry.unload):
        with pytest.raises(NotFound, match="models: other, paint"):
            act("../zebra")
    shutil.rmtree(store / "paint")
    with pytest.raises(NotFound, match="no longer in the store"):
        registry.load("paint")


def test_registries_that_share_a_folder_follow_each_other(store: Path, tmp_path: Path) -> None:
    one, two = (Registry(store, overrides=ModelOverrides(tmp_path / "orders")) for _ in range(2))
    one.refresh()
    two.refresh()
    one.unload("paint")
    assert states(two)["paint 1"] == "ready"
    two.refresh()
    assert states(two) == states(one)
    two.load("paint")
    one.refresh()
    assert states(one)["paint 1"] == "ready"


def test_invalid_override_files_are_ignored(tmp_path: Path) -> None:
    orders = ModelOverrides(tmp_path)
    (tmp_path / "paint").write_text("dance")
    orders.set_override("other", "load")
    assert orders.read() == {"other": "load"}
