"""Kill a training with SIGKILL at random moments, resume it, and compare the results.

    python -m tests.chaos.training_kills --kills 20

Another run of the same recipe is not killed. Exits with an error unless both logged the same
numbers and have the same weights, bit by bit. As root, also trains on a full disk (a small file
system in memory).
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
    """Kill and resume a run, compare it with another, and print a line for each kill."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work_dir = Path(folder)
        started = time.monotonic()
        _start_training(work_dir / "whole").wait()
        seconds = time.monotonic() - started
        print(f"uninterrupted: {seconds:.0f} s")
        _kill_and_resume(work_dir / "killed", options.kills, seconds, random.Random(options.seed))
        _compare(work_dir / "whole", work_dir / "killed")
        if os.geteuid() == 0:
            _check_full_disk(work_dir)


def _start_training(run_dir: Path, *extra_args: str, **streams: int) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "training",
        "fit",
        *_RECIPE,
        "--run-dir",
        str(run_dir),
        *extra_args,
    ]
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **streams}
    return subprocess.Popen(command, text=True, **streams)  # type: ignore[call-overload,no-any-return]


def _kill_and_resume(run_dir: Path, kills: int, seconds: float, rng: random.Random) -> None:
    """Kill it `kills` times at random moments, then let it end."""
    while_writing = 0
    for number in range(1, kills + 1):
        before = _partial_checkpoints(run_dir)
        process = _start_training(run_dir, *(["--resume"] if run_dir.exists() else []))
        # Every second one in the middle of a checkpoint, which chance alone would seldom meet.
        if number % 2:
            time.sleep(rng.uniform(0, seconds))
        else:
            while process.poll() is None and _partial_checkpoints(run_dir) <= before:
                pass
        process.kill()
        code = process.wait()
        partial_files = [name for name, _ in _partial_checkpoints(run_dir) - before]
        while_writing += bool(partial_files)
        log = run_dir / "metrics.csv"
        epochs = len(read_log(log).get("seconds", ())) if log.exists() else 0
        print(
            f"kill {number:>2}: {epochs} epochs logged, half written: "
            f"{', '.join(partial_files) or 'none'}"
        )
        if code == 0:
            print("it had ended before")
            break
    print(f"{while_writing} of them in the middle of writing a checkpoint")
    assert _start_training(run_dir, "--resume").wait() == 0


def _partial_checkpoints(run_dir: Path) -> set[tuple[str, int]]:
    """Return names and times of unfinished checkpoints, to tell new ones from remains of a kill."""
    partial_files = set()
    for path in run_dir.glob("*.partial"):
        with contextlib.suppress(FileNotFoundError):  # it is whole by now
            partial_files.add((path.name, path.stat().st_mtime_ns))
    return partial_files


def _compare(reference: Path, other: Path) -> None:
    logs = [read_log(run / "metrics.csv") for run in (reference, other)]
    for log in logs:
        del log["seconds"]
    if logs[0] != logs[1]:
        sys.exit(f"the logs differ: {logs}")
    count = 0
    for name in ("last.ckpt", "best.ckpt"):
        ours, theirs = (torch.load(run / name)["network"] for run in (reference, other))
        count += sum(tensor.numel() for tensor in ours.values())
        if not all(torch.equal(ours[key], theirs[key]) for key in ours):
            sys.exit(f"the weights of {name} differ")
    print(f"the same: {sum(map(len, logs[0].values()))} logged numbers, {count:,} weights")


def _check_full_disk(work_dir: Path) -> None:
    """Train on a disk with room for one and a half checkpoints."""
    disk, size = work_dir / "disk", (work_dir / "whole" / "last.ckpt").stat().st_size
    disk.mkdir()
    _run_command("mount", "-t", "tmpfs", "-o", f"size={size * 3 // 2}", "tmpfs", str(disk))
    try:
        process = _start_training(disk / "run", stderr=subprocess.PIPE)
        _, stderr = process.communicate()
        print(f"full disk: exit status {process.returncode}, {stderr.strip()[:300]}")
        files = sorted(path.name for path in (disk / "run").iterdir())
        print(f"left: {', '.join(files)}")
        _run_command("mount", "-o", f"remount,size={size * 5}", str(disk))
        assert _start_training(disk / "run", "--resume").wait() == 0
        _compare(work_dir / "whole", disk / "run")
    finally:
        _run_command("umount", str(disk))


def _run_command(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
