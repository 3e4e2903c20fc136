"""Metrics of a run as CSV, one row per epoch."""

import csv
from collections.abc import Sequence
from pathlib import Path


def write_log(path: Path, rows: Sequence[dict[str, float]]) -> None:
    """Write `rows` with a column for every key, and empty cells for scores of rarer evaluations.

    The file is replaced as a whole, so that a kill never damages it.
    """
    partial = path.with_suffix(".partial")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, dict.fromkeys(key for row in rows for key in row))
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(path)


def read_log(path: Path) -> dict[str, list[tuple[int, float]]]:
    """Return every column of a log as (epoch, value) pairs, without empty cells."""
    columns: dict[str, list[tuple[int, float]]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            epoch = int(float(row["epoch"]))
            for name, value in row.items():
                if name != "epoch" and value:
                    columns.setdefault(name, []).append((epoch, float(value)))
    return columns
