from pathlib import Path
from typing import Any

import pytest
import yaml

from models_store.card import render_card
from models_store.manifest import Metric
from models_store.verify import read_manifest

METRIC = Metric(
    name="accuracy", value=0.91234, dataset="CIFAR-10 (copy)", split="test", n=10_000, note="a | b"
)


def _card(store: Path, **fields: object) -> tuple[dict[str, Any], str]:
    """Return the front matter and the text of a classifier's card."""
    manifest = read_manifest(store / "paint" / "2").model_copy(update=fields)
    _, front_matter, body = render_card(manifest).split("---\n", 2)
    return yaml.safe_load(front_matter), body


def test_the_front_matter_is_what_the_hub_reads(store: Path) -> None:
    matter, _ = _card(store, metrics=(METRIC, METRIC.model_copy(update={"precision": "int8"})))
    assert matter["license"] == "apache-2.0"
    assert matter["library_name"] == "onnx"
    assert matter["pipeline_tag"] == "image-classification"
    assert "deepshelf" in matter["tags"]
    (entry,) = matter["model-index"]
    assert entry["name"] == "paint"
    assert entry["results"][0] == {
        "task": {"type": "image-classification"},
        "dataset": {"type": "cifar-10-copy", "name": "CIFAR-10 (copy)", "split": "test"},
        "metrics": [{"type": "accuracy", "name": "accuracy", "value": 0.91234}],
    }
    assert entry["results"][1]["metrics"][0]["name"] == "accuracy (int8)"


@pytest.mark.parametrize("licence", ["CC BY 4.0: see the data", "unknown"])
def test_a_licence_that_the_hub_does_not_know_is_other(store: Path, licence: str) -> None:
    matter, _ = _card(store, licence=licence)
    assert (matter["license"], matter["license_name"]) == ("other", licence)


def test_without_metrics_there_is_no_model_index(store: Path) -> None:
    matter, body = _card(store, metrics=())
    assert "model-index" not in matter
    assert "## Metrics" not in body


def test_the_text_states_figures_limits_and_how_to_serve(store: Path) -> None:
    _, body = _card(store, metrics=(METRIC,), limits="None known.")
    assert body.startswith("\n# paint 2\n")
    row = "| accuracy | 0.9123 | CIFAR-10 (copy), test | 10,000 | fp32 | a \\| b |"
    assert row in body
    assert "## Limits\n\nNone known.\n" in body
    assert "deepshelf serve --models paint" in body
