"""`python -m tests.chaos SCENARIO`."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path

import uvloop

from tests.chaos import body_cost, cancel, overload, reload, shutdown, slow, soak, stall
from tests.chaos.report import Report

Scenario = Callable[[Report, Path, argparse.Namespace], Coroutine[None, None, None]]

SCENARIOS: dict[str, Scenario] = {
    "overload": overload.run,
    "slow": slow.run,
    "cancel": cancel.run,
    "shutdown": shutdown.run,
    "reload": reload.run,
    "stall": stall.run,
    "soak": soak.run,
    "body-cost": body_cost.run,
}


def main() -> int:
    """Run one scenario; return 1 if a promise is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("--store", type=Path, default=Path("models_store"))
    parser.add_argument(
        "--seconds", type=float, help="duration of the scenario, if it can be chosen"
    )
    parser.add_argument(
        "--rounds", type=int, help="repetitions of the scenario, if they can be chosen"
    )
    parser.add_argument(
        "--connections",
        type=lambda text: [int(number) for number in text.split(",")],
        default=[4, 40, 100],
        help="shutdown: numbers of clients that open a new connection for each request",
    )
    parser.add_argument("--queue-size", type=int, default=32, help="overload: length of the queue")
    parser.add_argument(
        "--times",
        type=float,
        default=20,
        help="overload: request rate, as a multiple of the capacity",
    )
    options = parser.parse_args()
    report = Report(options.scenario)
    with tempfile.TemporaryDirectory(prefix="deepshelf-reliability-") as folder:
        # uvloop halves the load generator's cost of a request, which leaves more for the service.
        uvloop.run(SCENARIOS[options.scenario](report, Path(folder), options))
    return report.exit_status()


if __name__ == "__main__":
    sys.exit(main())
