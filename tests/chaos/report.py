"""Report of a scenario: figures, and promises kept or broken."""

import os
import platform
import sys
from collections.abc import Sequence


class Report:
    """Prints each line at once, so that an interrupted run has partial results."""

    def __init__(self, name: str) -> None:
        self._failures: list[str] = []
        machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
        self._print(f"{name}   ({machine})")

    def record(self, name: str, value: object) -> None:
        self._print(f"  {name:58} {value}")

    def expect(self, description: str, passed: bool) -> None:
        self._print(f"  {'kept  ' if passed else 'BROKEN'} {description}")
        if not passed:
            self._failures.append(description)

    def exit_status(self) -> int:
        """Print the result; return 1 if a promise was broken."""
        self._print("every promise was kept" if not self._failures else "promises were broken")
        return 1 if self._failures else 0

    @staticmethod
    def _print(line: str) -> None:
        print(line)
        sys.stdout.flush()


def quantile(values: Sequence[float], q: float) -> float:
    """Return the `q` quantile; NaN for no values."""
    if not values:
        return float("nan")
    return sorted(values)[min(len(values) - 1, int(q * len(values)))]


def format_latencies(values: Sequence[float]) -> str:
    """Format p50, p99 and the maximum of `values`, in seconds, as milliseconds."""
    quantiles = (quantile(values, 0.5), quantile(values, 0.99), max(values, default=float("nan")))
    p50, p99, max_ = (f"{1000 * value:.1f}" for value in quantiles)
    return f"p50 {p50} ms   p99 {p99} ms   max {max_} ms   n {len(values):,}"
