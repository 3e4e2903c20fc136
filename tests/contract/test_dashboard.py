"""The Grafana dashboard and the alert rules query only metrics that a used service exposes."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families as parse

from tests.fakes.image_models import (
    BoxBlurDenoiser,
    MeanColorClassifier,
    encode_png,
    publish_image_model,
    solid_image,
)
from tests.fakes.text_model import AlphabetModel, publish_text_model
from tests.repository import ROOT
from tests.service.serving import get_app_state, running_app

DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/deepshelf.json").read_text())
ALERTS: dict[str, Any] = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
QUERIES += [rule["expr"] for rule in RULES if "deepshelf_" in rule["expr"]]
_METRIC = re.compile(r"\bdeepshelf_\w+")
_GROUPED = re.compile(r"by \(([\w, ]+)\)")
_MATCHED = re.compile(r"(\w+)=~?\"")
_GIVEN_BY_PROMETHEUS = {"job", "instance"}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def message(
    tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> dict[str, set[str]]:
    """Return the names of the samples, with the names of their labels."""
    store = tmp_path_factory.mktemp("store")
    publish_image_model(store, "paint", MeanColorClassifier())
    publish_image_model(store, "blur", BoxBlurDenoiser(reach=1))
    publish_text_model(store, "alphabet", AlphabetModel())
    image = encode_png(solid_image(20, 30, (255, 0, 0)))
    async with running_app(store, deadline_s=0.05, batching="8") as client:
        while (await client.post("/v1/classify", content=image)).status_code != 200:
            pass  # the deadline is short for a busy machine, too
        await client.post("/v1/text", json={"prompt": "abc", "max_chars": 3})
        await client.post("/v1/text", json={"prompt": "abc", "max_chars": 4096})
        text = (await client.get("/metrics")).text
    names: dict[str, set[str]] = {}
    for family in parse(text):
        for name in (family.name, *(sample.name for sample in family.samples)):
            names.setdefault(name, set())
        for sample in family.samples:
            names[sample.name] |= set(sample.labels)
    return names


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.anyio
async def test_every_metric_and_label_in_the_dashboard_exists(
    message: dict[str, set[str]], query: str
) -> None:
    metrics = _METRIC.findall(query)
    assert metrics
    for metric in metrics:
        name = metric if metric in message else metric.removesuffix("_total")
        assert name in message, metric
    labels = {label.strip() for group in _GROUPED.findall(query) for label in group.split(",")}
    labels |= set(_MATCHED.findall(query))
    known = set().union(*(message[metric] for metric in metrics if metric in message))
    if any(metric in message and message[metric] for metric in metrics):
        assert labels - _GIVEN_BY_PROMETHEUS <= known, metrics


def test_every_alert_has_a_severity_and_an_instruction() -> None:
    assert {rule["labels"]["severity"] for rule in RULES} == {"page", "ticket"}
    assert all(set(rule["annotations"]) == {"summary", "runbook"} for rule in RULES)


def test_panels_have_distinct_titles_and_descriptions() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels})
    assert all(panel["description"] for panel in panels)
    positions = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(positions)) == len(panels)


@pytest.mark.anyio
async def test_metrics_are_the_documented_ones(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| `(deepshelf_\w+)` \| (\w+) \| ([^|]*) \| ([^|]*) \|", page, re.MULTILINE
    )
    async with running_app(tmp_path) as client:
        registry = get_app_state(client).recorder.registry
    metrics = [
        (
            f"{metric._name}_total" if metric._type == "counter" else metric._name,
            metric._type,
            ", ".join(metric._labelnames),
            metric._documentation,
        )
        for metric in registry._collector_to_names
        if isinstance(metric, MetricWrapperBase)
    ]
    assert sorted(tuple(map(str.strip, row)) for row in rows) == sorted(metrics)
