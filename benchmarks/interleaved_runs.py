"""Contenders measured in turns, so that other work of the machine affects all of them.

A ratio is that of two figures of one round; reported is the median over rounds.
"""

import statistics
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from benchmarks.load import LoadResult

Contender = Callable[[float], LoadResult]
"""Runs for the given number of seconds."""


@dataclass(frozen=True)
class InterleavedRuns:
    """The load of each contender in each round."""

    loads: Mapping[str, list[LoadResult]]

    def per_s(self, name: str) -> float:
        return statistics.median(load.per_s for load in self.loads[name])

    def rate_range(self, name: str) -> tuple[float, float]:
        """Return the rates of the slowest and the fastest round."""
        rates = [load.per_s for load in self.loads[name]]
        return min(rates), max(rates)

    def p50_ms(self, name: str) -> float | None:
        return _median([load.p50_ms for load in self.loads[name]])

    def p99_ms(self, name: str) -> float | None:
        return _median([load.p99_ms for load in self.loads[name]])

    def max_ms(self, name: str) -> float | None:
        """Return the slowest response of all rounds."""
        return max((load.max_ms for load in self.loads[name] if load.max_ms), default=None)

    def ratio(self, name: str, baseline: str) -> float:
        """Return how many times as fast as `baseline` this is."""
        pairs = zip(self.loads[name], self.loads[baseline], strict=True)
        return statistics.median(own.per_s / other.per_s for own, other in pairs)

    def to_dict(self) -> dict[str, list[dict[str, float | None]]]:
        return {name: [asdict(load) for load in loads] for name, loads in self.loads.items()}


def run_interleaved(
    contenders: Mapping[str, Contender], *, rounds: int, seconds: float
) -> InterleavedRuns:
    """Run each contender for `seconds` in each round; every other round in reverse order."""
    loads: dict[str, list[LoadResult]] = {name: [] for name in contenders}
    for contender in contenders.values():  # warm up caches, arenas and connections
        contender(min(seconds, 0.7))
    for number in range(rounds):
        order = list(contenders) if number % 2 == 0 else list(contenders)[::-1]
        for name in order:
            loads[name].append(contenders[name](seconds))
    return InterleavedRuns(loads)


def _median(values: list[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return statistics.median(present) if present else None
