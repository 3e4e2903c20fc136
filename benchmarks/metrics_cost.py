"""What counting costs a request, in one process and where several share their counts.

    python -m benchmarks.metrics_cost

Times what is counted for one request of `/v1/classify` (status, whole time, four stages, pictures):
by the service's own tallies, and by prometheus_client's counters as they are in one process and as
they are in its multiprocess mode, for which it runs itself again. Medians of 9 rounds.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from service.observability.metrics.counters import MetricCounters
from service.observability.metrics.definitions import METRICS

_ROUNDS, _TIMES = 9, 20_000
_STAGES = (("queue", 1e-4), ("decode", 2e-3), ("run", 8e-3), ("encode", 5e-5))
_SHARED = "PROMETHEUS_MULTIPROC_DIR"


def main() -> None:
    """Measure and print."""
    if _SHARED in os.environ:
        print(f"prometheus_client, several processes   {_micros(_by_library()):6.2f} µs a request")
        return
    print(f"own tallies                            {_micros(_by_tallies()):6.2f} µs a request")
    print(f"prometheus_client, one process         {_micros(_by_library()):6.2f} µs a request")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.metrics_cost"]
        subprocess.run(command, env={**os.environ, _SHARED: folder}, check=True)  # noqa: S603


def _by_tallies() -> Callable[[], None]:
    tallies = MetricCounters()

    def request() -> None:
        tallies.increment("deepshelf_requests", "/v1/classify", "POST", "200")
        tallies.observe("deepshelf_request_seconds", 0.011, "/v1/classify")
        for stage, seconds in _STAGES:
            tallies.observe("deepshelf_stage_seconds", seconds, "/v1/classify", stage)
        tallies.observe("deepshelf_request_images", 1, "/v1/classify")

    return request


def _by_library() -> Callable[[], None]:
    # It looks at the environment when it is imported.
    from prometheus_client import CollectorRegistry, Counter, Histogram

    registry = CollectorRegistry()
    names = ("deepshelf_request_seconds", "deepshelf_stage_seconds", "deepshelf_request_images")
    whole, stages, images = (
        Histogram(
            name,
            METRICS[name].help,
            METRICS[name].labels,
            buckets=METRICS[name].bounds,
            registry=registry,
        )
        for name in names
    )
    requests = Counter(
        "deepshelf_requests", "Requests", ("route", "method", "status"), registry=registry
    )

    def request() -> None:
        requests.labels("/v1/classify", "POST", "200").inc()
        whole.labels("/v1/classify").observe(0.011)
        for stage, seconds in _STAGES:
            stages.labels("/v1/classify", stage).observe(seconds)
        images.labels("/v1/classify").observe(1)

    return request


def _micros(request: Callable[[], None]) -> float:
    rounds = []
    for _ in range(_ROUNDS):
        start = time.process_time()
        for _ in range(_TIMES):
            request()
        rounds.append((time.process_time() - start) / _TIMES * 1e6)
    return statistics.median(rounds)


if __name__ == "__main__":
    main()
