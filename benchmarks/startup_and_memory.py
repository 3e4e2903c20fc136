"""Measure the time until the service is ready, and its memory, per model.

Ready means that eight consecutive probes on new connections returned 200. Memory is the
proportional set size (shared pages are divided among their users) of all processes, after the
models are loaded and their golden cases replayed.
"""

import os
import statistics
from pathlib import Path

from benchmarks import report, servers
from models_store.layout import list_model_names

_STORE = Path("models_store")
_ALL = "the whole store"


def measure_startup(*, rounds: int) -> None:
    """Return the seconds from the start of the process until it is ready."""
    seconds: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name in (_ALL, *list_model_names(_STORE)):
            with servers.deepshelf_server(_STORE, **_model_settings(name)) as server:
                seconds.setdefault(name, []).append(server.ready_s)
    rows = [
        [name, f"{statistics.median(taken):.2f}", f"{min(taken):.2f}–{max(taken):.2f}"]
        for name, taken in seconds.items()
    ]
    head = ["served", "ready after seconds", f"of {rounds} starts"]
    report.write_report("cold", report.format_table(head, rows), {"seconds": seconds})
    medians = {name: 1e3 * statistics.median(taken) for name, taken in seconds.items()}
    report.draw_bars("cold", {"from start to ready": medians}, "milliseconds")


def measure_memory() -> None:
    """Return the MiB of the ready service, and of the model's files."""
    taken: dict[str, float] = {}
    for name in (_ALL, *list_model_names(_STORE)):
        with servers.deepshelf_server(_STORE, **_model_settings(name)) as server:
            taken[name] = _pss_mib(server.process.pid)
    files = {name: _size_mib(name) for name in taken}
    rows = [[name, f"{mib:.0f}", f"{files[name]:.1f}"] for name, mib in taken.items()]
    head = ["served", "MiB", "MiB of graphs on the disk"]
    report.write_report(
        "memory", report.format_table(head, rows), {"mib": taken, "files_mib": files}
    )
    report.draw_bars("memory", {"memory when ready": taken}, "MiB")


def _model_settings(name: str) -> dict[str, str]:
    quiet = {"log_level": "warning"}
    return quiet if name == _ALL else {**quiet, "models": name}


def _size_mib(name: str) -> float:
    folder = _STORE if name == _ALL else _STORE / name
    return sum(path.stat().st_size for path in folder.rglob("*.onnx")) / (1 << 20)


def _pss_mib(pid: int) -> float:
    return sum(_own_pss_kib(process_id) for process_id in _process_tree(pid)) / 1024


def _own_pss_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _process_tree(pid: int) -> list[int]:
    """Return the process and its descendants."""
    parents: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                stat = Path(entry.path, "stat").read_text(encoding="utf-8")
            except OSError:
                continue
            parents.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    pids = [pid]
    for parent in pids:
        pids += parents.get(parent, [])
    return pids
