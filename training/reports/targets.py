"""Targets of published models, and the table that compares metrics with them."""

from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Self

import yaml
from pydantic import FiniteFloat, TypeAdapter, model_validator
from rich.table import Column, Table

from models_store.base import FrozenModel
from models_store.errors import StoreError
from models_store.layout import list_model_names, list_versions, version_dir
from models_store.manifest import Manifest
from models_store.verify import read_manifest


class Target(FrozenModel):
    """Target of one metric of a manifest."""

    metric: str
    over: str | None = None
    """Name of a metric to subtract: the target is then a gain."""
    at_least: FiniteFloat | None = None
    at_most: FiniteFloat | None = None
    anchor: str = ""

    @model_validator(mode="after")
    def _check_single_bound(self) -> Self:
        if self.at_least is not None and self.at_most is not None:
            raise ValueError("a target is at_least or at_most, not both")
        return self

    @property
    def name(self) -> str:
        return f"{self.metric} - {self.over}" if self.over else self.metric

    @property
    def bound(self) -> str:
        """The bound as text; empty when there is none."""
        if self.at_least is not None:
            return f"≥ {self.at_least:g}"
        return "" if self.at_most is None else f"≤ {self.at_most:g}"

    def value(self, metrics: Mapping[str, float]) -> float | None:
        """Return the measured value; None when the manifest lacks the metric."""
        if self.metric not in metrics or (self.over and self.over not in metrics):
            return None
        return metrics[self.metric] - (metrics[self.over] if self.over else 0)

    def miss(self, value: float) -> float | None:
        """Return by how much `value` misses the bound, at most 0 if it is met; None without one."""
        if self.at_least is not None:
            return self.at_least - value
        return None if self.at_most is None else value - self.at_most


def load_targets() -> dict[str, tuple[Target, ...]]:
    """Return the targets by the model's name."""
    text = (Path(str(resources.files("training"))) / "reports" / "targets.yaml").read_text(
        encoding="utf-8"
    )
    return TypeAdapter(dict[str, tuple[Target, ...]]).validate_python(yaml.safe_load(text))


def store_table(store: Path, targets: Mapping[str, tuple[Target, ...]]) -> Table:
    """Return a table of the highest version of every model in `store`: metrics, targets, anchors.

    Raises:
        LayoutError: when there is no such folder.
    """
    table = Table(*_columns(), box=None, pad_edge=False, header_style="bold")
    for name in list_model_names(store):
        folder = version_dir(store, name, max(list_versions(store, name)))
        try:
            manifest = read_manifest(folder)
        except StoreError as error:
            table.add_row(name, folder.name, f"unreadable: {error}")
            continue
        for cells in _rows(manifest, targets.get(name, ())):
            table.add_row(*cells)
    return table


def _columns() -> list[Column]:
    """Format rows; only the last column wraps, so that metrics can be searched by name."""
    numbers = {"version", "measured", "target", "n"}
    headings = ("model", "version", "metric", "measured", "target", "", "n")
    return [
        *(
            Column(heading, no_wrap=True, justify="right" if heading in numbers else "left")
            for heading in headings
        ),
        Column("anchor"),
    ]


def _rows(manifest: Manifest, targets: tuple[Target, ...]) -> Iterator[tuple[str, ...]]:
    metrics = {metric.name: metric.value for metric in manifest.metrics}
    counts = {metric.name: metric.n for metric in manifest.metrics}
    # Without targets, the model's first metric is shown.
    default_targets = tuple(Target(metric=metric.name) for metric in manifest.metrics[:1])
    title = (manifest.name, str(manifest.version))
    for target in targets or default_targets:
        value = target.value(metrics)
        if value is None:
            yield (*title, target.name, "not measured", target.bound, "", "", target.anchor)
        else:
            verdict = _verdict(target, value, manifest)
            count = f"{counts[target.metric]:,}"
            yield (*title, target.name, f"{value:.4g}", target.bound, verdict, count, target.anchor)
        title = ("", "")


def _verdict(target: Target, value: float, manifest: Manifest) -> str:
    miss = target.miss(value)
    if miss is None:
        return ""
    if miss <= 0:
        return "reached"
    return f"missed by {miss:.2g} after {manifest.provenance.duration_s / 3600:.1f} h"
