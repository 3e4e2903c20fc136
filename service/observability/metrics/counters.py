"""Counts of one process: plain numbers, because a request adds to a dozen of them.

`python -m benchmarks.metrics_cost`: what is counted for one request takes 6 µs of processor time
here, 26 µs by prometheus_client's counters in one process and 35 µs in its multiprocess mode
(medians of 9 rounds, prometheus_client 0.26, Python 3.11, 2 shared cores of an AMD EPYC); a small
picture's whole request takes 430 (see `routes/options.py`). The library is used for the answer.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence

from service.observability.metrics.definitions import METRICS

__all__ = ["Histogram", "Labels", "MetricCounters", "Samples", "add_samples"]

Labels = tuple[str, ...]
Samples = dict[str, dict[Labels, list[float]]]
"""Family → values of its labels → one number; of a histogram, a count for each bucket and the sum
of all that was observed."""


class Histogram:
    """How many values fell between which bounds. Written by one thread."""

    __slots__ = ("_bounds", "values")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.values = [0.0] * (len(bounds) + 2)
        """As in `Samples`."""

    def observe(self, value: float, times: int = 1) -> None:
        self.values[bisect_left(self._bounds, value)] += times
        self.values[-1] += value * times


class MetricCounters:
    """Counters and histograms, by label. Used by one thread, the event loop's."""

    def __init__(self) -> None:
        self._counters: dict[str, dict[Labels, float]] = {}
        self._histograms: dict[str, dict[Labels, Histogram]] = {}
        for family in METRICS.values():
            if family.kind == "histogram":
                self._histograms[family.name] = {}
            elif family.kind == "counter":
                # Without labels there is one from the start; with labels, once there is something.
                self._counters[family.name] = {} if family.labels else {(): 0.0}

    def increment(self, family: str, *labels: str, by: float = 1) -> None:
        counters = self._counters[family]
        counters[labels] = counters.get(labels, 0.0) + by

    def observe(self, family: str, value: float, *labels: str, times: int = 1) -> None:
        histograms = self._histograms[family]
        histogram = histograms.get(labels)
        if histogram is None:
            histogram = histograms[labels] = Histogram(METRICS[family].bounds)
        histogram.observe(value, times)

    def samples(self) -> Samples:
        """All of it at this moment, as a copy."""
        samples: Samples = {
            name: {labels: [value] for labels, value in counters.items()}
            for name, counters in self._counters.items()
        }
        for name, histograms in self._histograms.items():
            samples[name] = {
                labels: list(histogram.values) for labels, histogram in histograms.items()
            }
        return samples


def add_samples(total: Samples, added: Mapping[str, Mapping[Labels, Sequence[float]]]) -> None:
    """Put `added` into `total`, each family by its rule; one that is not declared is left out."""
    for name, by_labels in added.items():
        family = METRICS.get(name)
        if family is None:
            continue
        merged = total.setdefault(name, {})
        for labels, values in by_labels.items():
            previous = merged.get(labels)
            if previous is None or len(previous) != len(values):
                merged[labels] = list(values)
            elif family.merge == "max":
                merged[labels] = [max(pair) for pair in zip(previous, values, strict=True)]
            else:
                merged[labels] = [one + two for one, two in zip(previous, values, strict=True)]
