"""Processor time of bodies that are made to cost as much as they can, for each reader."""

import time
from collections.abc import Iterator

from benchmarks.report import format_table, write_report
from service.observability.parser_messages import silence_parsers
from tests.fakes.costly_bodies import COSTLY_BODIES, CostlyBody

_SIZES = (64_000, 1_000_000, 8_000_000)


def measure_body_cost(rounds: int) -> None:
    """Print, for each reader, the costliest body of each size and its milliseconds."""
    silence_parsers()
    costs = {name: list(_costs_ms(body, rounds)) for name, body in COSTLY_BODIES.items()}
    readers: dict[str, list[str]] = {}
    for name in costs:
        readers.setdefault(name.partition(",")[0], []).append(name)
    rows = []
    for reader, names in readers.items():
        costliest = max(names, key=lambda name: max(costs[name]))
        part = costliest.partition(", ")[2] or "–"
        worst = [max(costs[name][size] for name in names) for size in range(len(_SIZES))]
        rows.append([reader, part, *(f"{cost:.1f}" for cost in worst)])
    head = ["reader", "costliest parts", *(f"{size // 1000} kB, ms" for size in _SIZES)]
    write_report("body_cost", format_table(head, rows), {"sizes": _SIZES, "costs_ms": costs})


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
