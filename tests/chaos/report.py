"""What a scenario found: figures, and promises that were kept or not."""

import os
import platform
import sys
from collections.abc import Sequence

__all__ = ["Report", "milliseconds", "quantile"]


class Report:
    """Prints each line when it is known, so that a run that is stopped has told something."""

    def __init__(self, name: str) -> None:
        self._broken: list[str] = []
        machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
        self._print(f"{name}   ({machine})")

    def figure(self, name: str, value: object) -> None:
        self._print(f"  {name:58} {value}")

    def promise(self, what: str, kept: bool) -> None:
        self._print(f"  {'kept  ' if kept else 'BROKEN'} {what}")
        if not kept:
            self._broken.append(what)

    def close(self) -> int:
        """The exit status."""
        self._print("every promise was kept" if not self._broken else "promises were broken")
        return 1 if self._broken else 0

    @staticmethod
    def _print(line: str) -> None:
        print(line)
        sys.stdout.flush()


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of them do not exceed; NaN of none."""
    if not values:
        return float("nan")
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def milliseconds(values: Sequence[float]) -> str:
    """p50, p99 and the largest, of seconds."""
    told = (quantile(values, 0.5), quantile(values, 0.99), max(values, default=float("nan")))
    p50, p99, most = (f"{1000 * value:.1f}" for value in told)
    return f"p50 {p50} ms   p99 {p99} ms   max {most} ms   n {len(values):,}"
