"""Contenders measured in turns, again and again, so that what else the machine does hits all.

A ratio is that of two figures of one round; of rounds, the median is told.
"""

import statistics
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from benchmarks.load import Load

__all__ = ["Rounds", "compete"]

Contender = Callable[[float], Load]
"""Runs for so many seconds."""


@dataclass(frozen=True)
class Rounds:
    """What each contender did in each round."""

    loads: Mapping[str, list[Load]]

    def per_s(self, name: str) -> float:
        return statistics.median(load.per_s for load in self.loads[name])

    def spread(self, name: str) -> tuple[float, float]:
        """The slowest and the fastest round."""
        rates = [load.per_s for load in self.loads[name]]
        return min(rates), max(rates)

    def p50_ms(self, name: str) -> float | None:
        return _median([load.p50_ms for load in self.loads[name]])

    def p99_ms(self, name: str) -> float | None:
        return _median([load.p99_ms for load in self.loads[name]])

    def ratio(self, name: str, to: str) -> float:
        """How many times as fast as `to`."""
        pairs = zip(self.loads[name], self.loads[to], strict=True)
        return statistics.median(one.per_s / other.per_s for one, other in pairs)

    def raw(self) -> dict[str, list[dict[str, float | None]]]:
        return {name: [asdict(load) for load in loads] for name, loads in self.loads.items()}


def compete(contenders: Mapping[str, Contender], *, rounds: int, seconds: float) -> Rounds:
    """Let each run for `seconds`, in `rounds` rounds; every other round in reverse order."""
    loads: dict[str, list[Load]] = {name: [] for name in contenders}
    for contender in contenders.values():  # caches, arenas, connections
        contender(min(seconds, 0.7))
    for number in range(rounds):
        order = list(contenders) if number % 2 == 0 else list(contenders)[::-1]
        for name in order:
            loads[name].append(contenders[name](seconds))
    return Rounds(loads)


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
