"""Kills a training with SIGKILL at moments of chance, resumes it, and compares what comes of it.

    python -m tests.chaos.training_kills --kills 20

Another run of the same recipe is left alone; at the end both have logged the same numbers and hold
the same weights, bit by bit, or this ends with an error. With root's rights, a run also meets a
disk that is truly full (a small file system in memory, made for it).
"""

import argparse
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from training.engine.csv_logger import read_log

_RECIPE = ["resnet-digits", "--set", "epochs=4", "--set", "early_stop={patience: 4}"]


def main() -> None:
    """Print a line for each kill, and what was compared."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        started = time.monotonic()
        _run(room / "whole").wait()
        seconds = time.monotonic() - started
        print(f"uninterrupted: {seconds:.0f} s")
        _killed(room / "killed", options.kills, seconds, random.Random(options.seed))
        _compare(room / "whole", room / "killed")
        if os.geteuid() == 0:
            _without_room(room)


def _run(run_dir: Path, *more: str, **streams: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "training", "fit", *_RECIPE, "--run-dir", str(run_dir), *more]
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **streams}
    return subprocess.Popen(command, text=True, **streams)  # type: ignore[call-overload,no-any-return]


def _killed(run_dir: Path, kills: int, seconds: float, chance: random.Random) -> None:
    """Kill it `kills` times, each at a moment of its own life, then let it end."""
    while_writing = 0
    for number in range(1, kills + 1):
        before = _half_written(run_dir)
        running = _run(run_dir, *(["--resume"] if run_dir.exists() else []))
        # Every second one in the middle of a checkpoint, which chance alone would seldom meet.
        if number % 2:
            time.sleep(chance.uniform(0, seconds))
        else:
            while running.poll() is None and _half_written(run_dir) <= before:
                pass
        running.kill()
        code = running.wait()
        left = [name for name, _ in _half_written(run_dir) - before]
        while_writing += bool(left)
        log = run_dir / "metrics.csv"
        epochs = len(read_log(log).get("seconds", ())) if log.exists() else 0
        print(
            f"kill {number:>2}: {epochs} epochs logged, half written: {', '.join(left) or 'none'}"
        )
        if code == 0:
            print("it had ended before")
            break
    print(f"{while_writing} of them in the middle of writing a checkpoint")
    assert _run(run_dir, "--resume").wait() == 0


def _half_written(run_dir: Path) -> set[tuple[str, int]]:
    """Names and times: what an earlier kill left behind is no checkpoint that is being written."""
    found = set()
    for path in run_dir.glob("*.partial"):
        with contextlib.suppress(FileNotFoundError):  # it is whole by now
            found.add((path.name, path.stat().st_mtime_ns))
    return found


def _compare(whole: Path, other: Path) -> None:
    logs = [read_log(run / "metrics.csv") for run in (whole, other)]
    for log in logs:
        del log["seconds"]
    if logs[0] != logs[1]:
        sys.exit(f"the logs differ: {logs}")
    count = 0
    for name in ("last.ckpt", "best.ckpt"):
        ours, theirs = (torch.load(run / name)["network"] for run in (whole, other))
        count += sum(tensor.numel() for tensor in ours.values())
        if not all(torch.equal(ours[key], theirs[key]) for key in ours):
            sys.exit(f"the weights of {name} differ")
    print(f"the same: {sum(map(len, logs[0].values()))} logged numbers, {count:,} weights")


def _without_room(room: Path) -> None:
    """The disk holds one checkpoint and a half."""
    disk, size = room / "disk", (room / "whole" / "last.ckpt").stat().st_size
    disk.mkdir()
    _call("mount", "-t", "tmpfs", "-o", f"size={size * 3 // 2}", "tmpfs", str(disk))
    try:
        running = _run(disk / "run", stderr=subprocess.PIPE)
        _, told = running.communicate()
        print(f"full disk: exit status {running.returncode}, {told.strip()[:300]}")
        files = sorted(path.name for path in (disk / "run").iterdir())
        print(f"left: {', '.join(files)}")
        _call("mount", "-o", f"remount,size={size * 5}", str(disk))
        assert _run(disk / "run", "--resume").wait() == 0
        _compare(room / "whole", disk / "run")
    finally:
        _call("umount", str(disk))


def _call(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
