"""Counts as Prometheus reads them, in its text format or as OpenMetrics."""

from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from service.observability.metrics.counters import Samples
from service.observability.metrics.definitions import METRICS, MetricDefinition

__all__ = ["render_metrics"]


def render_metrics(samples: Samples, accept: str) -> tuple[bytes, str]:
    """The page and its media type, which `accept` (a request's header) chooses."""
    encode, media_type = choose_encoder(accept)
    return encode(_StaticCollector(list(_metric_families(samples)))), media_type


class _StaticCollector(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _metric_families(samples: Samples) -> Iterator[Metric]:
    for family in METRICS.values():
        metric = _new_metric_family(family)
        for labels, values in sorted(samples.get(family.name, {}).items()):
            if isinstance(metric, HistogramMetricFamily):
                *counts, total = values
                ends = [*map(str, family.bounds), "+Inf"]
                buckets = list(zip(ends, accumulate(counts), strict=True))
                metric.add_metric(labels, buckets, total)
            else:
                metric.add_metric(labels, values[0])
        yield metric


def _new_metric_family(
    family: MetricDefinition,
) -> CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily:
    if family.kind == "counter":
        return CounterMetricFamily(family.name, family.help, labels=family.labels)
    if family.kind == "gauge":
        return GaugeMetricFamily(family.name, family.help, labels=family.labels)
    return HistogramMetricFamily(family.name, family.help, labels=family.labels)
