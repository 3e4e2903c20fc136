"""Measure the processor time of the costliest bodies of each reader.

python -m tests.chaos body-cost
"""

import argparse
import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

from service.observability.parser_messages import silence_parsers
from tests.chaos.report import Report
from tests.service.costly_bodies import COSTLY_BODIES, CostlyBody

_SIZES = (64_000, 1_000_000, 8_000_000)
_BASE_MS, _MS_PER_MB = 40, 250
_DEFAULT_ROUNDS = 3


async def run(report: Report, folder: Path, options: argparse.Namespace) -> None:
    """Read each body in three sizes; a reader's figure is that of its costliest body."""
    silence_parsers()
    rounds = options.rounds or _DEFAULT_ROUNDS
    costs = await asyncio.to_thread(_measure, rounds)  # the form's reader runs a loop of its own
    report.record("costliest body of each reader", "ms for 64 kB / 1 MB / 8 MB")
    for reader in dict.fromkeys(name.partition(", ")[0] for name in costs):
        own = {name: ms for name, ms in costs.items() if name.partition(", ")[0] == reader}
        costliest = max(own, key=lambda name: max(own[name]))
        worst = (f"{max(ms):.1f}" for ms in zip(*own.values(), strict=True))
        report.record(costliest, " / ".join(worst))
    over_limit = [
        name
        for name, times in costs.items()
        for size, ms in zip(_SIZES, times, strict=True)
        if ms > _BASE_MS + _MS_PER_MB * size / 1e6
    ]
    report.expect(
        f"no body costs over {_BASE_MS} ms and {_MS_PER_MB} ms for each MB"
        + (f"; not so: {', '.join(over_limit)}" if over_limit else ""),
        not over_limit,
    )


def _measure(rounds: int) -> dict[str, list[float]]:
    return {name: list(_costs_ms(body, rounds)) for name, body in COSTLY_BODIES.items()}


def _costs_ms(body: CostlyBody, rounds: int) -> Iterator[float]:
    """Yield the smallest of `rounds` processor times for a body of each size."""
    bytes_per_part = len(body.make(body.parts)) / body.parts
    for size in _SIZES:
        data = body.make(max(1, round(size / bytes_per_part)))
        times = []
        for _ in range(rounds):
            started = time.process_time()
            body.run(data)
            times.append(time.process_time() - started)
        yield 1000 * min(times)
