"""Cores that this process may use, and how workers and threads share them.

`os.cpu_count()` counts the machine's cores. A container usually has fewer: an affinity mask
(cpuset) or a CPU quota per period. Threads beyond the quota exhaust it early and are then paused
until the next period, which raises tail latency.
"""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def compute_threads(cores: int, workers: int, threads: int | None) -> int:
    """Return the compute threads of each worker: `threads`, else its share of the cores.

    Several workers share the cores as evenly as whole numbers do.
    """
    return threads or max(1, cores // workers)


def available_cores(root: Path = Path("/"), affinity: int | None = None) -> int:
    """Return the cores of the affinity mask or the cgroup quota, whichever is less; at least 1.

    A fraction is rounded down: a thread too many slows every request, half a core unused slows
    none. `root` contains `proc` and `sys`; `affinity` overrides the size of the mask.
    """
    cores = _affinity() if affinity is None else affinity
    quotas = [cores, *_quotas_v2(root), *_quotas_v1(root)]
    return max(1, int(min(quotas)))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS has no affinity masks


def _quotas_v2(root: Path) -> Iterator[float]:
    for folder in _cgroup_folders(root / "sys/fs/cgroup", _cgroups(root).get("", "/")):
        limit, _, period = _read_text(folder / "cpu.max").partition(" ")
        if limit.isdigit() and period.isdigit() and int(period):
            yield int(limit) / int(period)


def _quotas_v1(root: Path) -> Iterator[float]:
    groups = _cgroups(root)
    for controller in ("cpu", "cpu,cpuacct", "cpuacct,cpu"):
        mount = root / "sys/fs/cgroup" / controller
        path = groups.get("cpu", "/")
        for folder in _cgroup_folders(mount, path):
            limit = _read_text(folder / "cpu.cfs_quota_us")  # -1 where there is none
            period = _read_text(folder / "cpu.cfs_period_us")
            if limit.isdigit() and period.isdigit() and int(period):
                yield int(limit) / int(period)


def _cgroups(root: Path) -> dict[str, str]:
    """Return this process's cgroup by controller; for cgroup version 2, the key is empty."""
    groups = {}
    for line in _read_text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        groups.update(dict.fromkeys(controllers.split(","), path))
    return groups


def _cgroup_folders(mount: Path, path: str) -> Iterator[Path]:
    """Return the group's folder and its parents: each may have a quota, and the lowest counts.

    Without a cgroup namespace, the path is the host's; inside the container, only the mount point
    exists, which is then the group itself. A path with `..` leads out of our own namespace.
    """
    group = PurePosixPath("/" if ".." in path.split("/") else path)
    for ancestor in (group, *group.parents):
        folder = mount / str(ancestor).lstrip("/")
        if folder.is_dir():
            yield folder


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
