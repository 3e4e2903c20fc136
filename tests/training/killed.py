"""Trains, is killed at each thing that it does to files, resumes, and is killed at the next.

    python -m tests.training.killed RUN_DIR

A fork of this process begins or resumes a run in RUN_DIR and kills itself, with SIGKILL, before its
first call there that touches a file; the next fork before its second; until one lives to the end.
Before that, some are ended by the system in the middle of writing a checkpoint. Prints a line for
each.
"""

import os
import resource
import signal
import sys
from pathlib import Path

from tests.training.tiny import recipe
from training.engine.trainer import fit

RECIPE = recipe(epochs=3, early_stop={"patience": 3})
_CALLS = frozenset({"open", "os.mkdir", "os.remove", "os.rename", "os.listdir", "os.scandir"})


def _killed_at(number: int, run_dir: Path) -> None:
    calls = 0

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal calls
        if event in _CALLS and str(arguments[0]).startswith(str(run_dir)):
            calls += 1
            if calls == number:
                os.write(1, f"{number} {event}\n".encode())
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def _ended_at(size: int) -> None:
    """Kill this process by SIGXFSZ once a file would grow beyond `size` bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def main(run_dir: Path) -> None:
    moments = [*((_ended_at, size) for size in (5_000, 30_000, 60_000))]
    number, status = 0, 1
    while status:
        child = os.fork()
        if not child:
            if number < len(moments):
                end, size = moments[number]
                end(size)
            else:
                _killed_at(number - len(moments) + 1, run_dir)
            fit(RECIPE, run_dir, resume=run_dir.exists(), show_progress=False)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        expected = signal.SIGXFSZ if number < len(moments) else signal.SIGKILL
        assert status in (0, expected), (number, status)
        if status == signal.SIGXFSZ:
            os.write(1, f"{moments[number][1]} writing\n".encode())
        number += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]))
