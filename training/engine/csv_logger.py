"""Metrics of a run as CSV, one row per epoch."""

import csv
from pathlib import Path


class CsvLogger:
    """Appends rows. A resumed run first drops the rows after its checkpoint.

    Evaluations may be rarer than epochs, so columns may appear late. The file is then rewritten
    with the wider header.
    """

    def __init__(self, path: Path, rows: list[dict[str, float]]) -> None:
        self._path = path
        self._rows = list(rows)
        self._columns: list[str] = []
        if rows:
            self._rewrite()
        else:
            path.unlink(missing_ok=True)

    def append(self, row: dict[str, float]) -> None:
        self._rows.append(row)
        if set(row) <= set(self._columns):
            with self._path.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, self._columns).writerow(row)
        else:
            self._rewrite()

    def _rewrite(self) -> None:
        self._columns = list(dict.fromkeys(key for row in self._rows for key in row))
        with self._path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._columns)
            writer.writeheader()
            writer.writerows(self._rows)


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
