from pathlib import Path

import pytest

from service.runtime.cpu_limits import available_cores, compute_threads


def _write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


@pytest.mark.parametrize(
    ("cpu_max", "cores"),
    [
        ("max 100000", 8),
        ("400000 100000", 4),
        ("250000 100000", 2),  # a fraction is rounded down
        ("50000 100000", 1),  # but never to nothing
        ("1600000 100000", 8),  # a quota above the machine is no quota
        ("100000 0", 8),
        ("nonsense", 8),
        ("", 8),
    ],
)
def test_cgroup_v2_quota_in_a_container(tmp_path: Path, cpu_max: str, cores: int) -> None:
    root = _write(tmp_path, {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": cpu_max})
    assert available_cores(root, affinity=8) == cores


def test_cgroup_v2_the_least_quota_on_the_way_up_counts(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/system.slice/deepshelf.service"
    root = _write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/system.slice/deepshelf.service",
            f"{group}/cpu.max": "600000 100000",
            "sys/fs/cgroup/system.slice/cpu.max": "300000 100000",
        },
    )
    assert available_cores(root, affinity=16) == 3


def test_cgroup_v2_without_a_namespace_the_mounts_top_is_the_group(tmp_path: Path) -> None:
    root = _write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/system.slice/docker-4f5e.scope",
            "sys/fs/cgroup/cpu.max": "200000 100000",
        },
    )
    assert available_cores(root, affinity=16) == 2


@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct", "cpuacct,cpu"])
@pytest.mark.parametrize(("quota", "cores"), [("-1", 8), ("350000", 3), ("20000", 1)])
def test_cgroup_v1_quota(tmp_path: Path, mount: str, quota: str, cores: int) -> None:
    group = f"sys/fs/cgroup/{mount}/docker/4f5e"
    root = _write(
        tmp_path,
        {
            "proc/self/cgroup": "12:memory:/docker/4f5e\n4:cpu,cpuacct:/docker/4f5e\n0::/",
            f"{group}/cpu.cfs_quota_us": quota,
            f"{group}/cpu.cfs_period_us": "100000",
        },
    )
    assert available_cores(root, affinity=8) == cores


def test_affinity_counts_where_it_is_less_than_the_quota(tmp_path: Path) -> None:
    root = _write(tmp_path, {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "800000 100000"})
    assert available_cores(root, affinity=2) == 2


def test_without_any_cgroup_the_affinity_counts(tmp_path: Path) -> None:
    assert available_cores(tmp_path, affinity=6) == 6


def test_a_group_that_points_out_of_its_mount_is_not_followed(tmp_path: Path) -> None:
    root = _write(
        tmp_path / "root",
        {"proc/self/cgroup": "0::/../../../../elsewhere", "../elsewhere/cpu.max": "100000 100000"},
    )
    (root / "sys/fs/cgroup").mkdir(parents=True)
    assert available_cores(root, affinity=4) == 4


def test_this_machine_has_at_least_one() -> None:
    assert available_cores() >= 1


@pytest.mark.parametrize(
    ("cores", "workers", "threads", "expected"),
    [
        (8, 1, None, 8),
        (8, 2, None, 4),
        (8, 1, 4, 4),
        (8, 3, None, 2),
        (8, 16, None, 1),
        (1, 1, None, 1),
        (1, 1, 4, 4),
        (8, 2, 3, 3),
    ],
)
def test_plan_fills_in_unset_values(
    cores: int, workers: int, threads: int | None, expected: int
) -> None:
    assert compute_threads(cores, workers, threads) == expected
