"""Seconds of training commands as users type them, beside processes that keep cores busy.

From the command to its end, so that loading Python and PyTorch counts. The busy processes have the
same priority as the command.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import report

_BUSY = "while True: pass"


@dataclass(frozen=True)
class _Command:
    """A command of `deepshelf train`, and how long it may take."""

    title: str
    arguments: tuple[str, ...]
    limit_s: float


def measure_training_commands(*, rounds: int, busy: int, photos: Path | None) -> None:
    """Measure `fit resnet-digits` and, with a folder of photographs, `transfer`; write a table."""
    commands = [_Command("fit resnet-digits", ("fit", "resnet-digits"), 15)]
    if photos is not None:
        count = sum(1 for path in photos.rglob("*") if path.is_file())
        arguments = ("transfer", str(photos.resolve()), "--name", "photos", "--store", "store")
        commands.append(_Command(f"transfer, {count} photographs", arguments, 300))
    seconds: dict[str, list[float]] = {command.title: [] for command in commands}
    with _busy_processes(busy):
        for _ in range(rounds):
            for command in commands:
                seconds[command.title].append(_time(command))
    rows = [
        [
            command.title,
            f"{statistics.median(taken):.1f}",
            f"{min(taken):.1f}–{max(taken):.1f}",
            f"{command.limit_s:g}",
        ]
        for command in commands
        for taken in [seconds[command.title]]
    ]
    head = [f"beside {busy} busy processes", "seconds, median", f"of {rounds}", "limit"]
    text = report.format_table(head, rows)
    report.write_report("training-commands", text, {"busy": busy, "seconds": seconds})
    medians = {title: statistics.median(taken) for title, taken in seconds.items()}
    report.draw_bars("training-commands", {"from command to end": medians}, "seconds")


def _time(command: _Command) -> float:
    """Return the seconds of one run, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "deepshelf", "train", *command.arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(Path.cwd())},
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - started
    if done.returncode != 0:
        raise RuntimeError(f"{command.title} failed: {done.stderr.strip()[-500:]}")
    return seconds


@contextmanager
def _busy_processes(count: int) -> Iterator[None]:
    processes = [
        subprocess.Popen([sys.executable, "-c", _BUSY])  # noqa: S603
        for _ in range(count)
    ]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
