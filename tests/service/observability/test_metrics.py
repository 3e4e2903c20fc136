"""Several processes that share a metrics directory, as the workers of one service do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from service.observability.worker_metrics import WorkerMetrics

_WORKER = """
import os, sys
from pathlib import Path
from service.observability.metrics import ServiceMetrics
from service.runtime.registry import Registry
from service.scheduling.admission import AdmissionController
from service.scheduling.continuous_batching import GenerationScheduler

admission = AdmissionController(running=1, waiting=1, deadline_s=1)
scheduler = GenerationScheduler(admission, 1)
recorder = ServiceMetrics(Registry(Path("none")), {"texts": admission}, scheduler)
admission.admit(admission.now())
for _ in range(int(sys.argv[1])):
    recorder.rejected("/v1/text", "POST", 0.5)
recorder.update()
print(os.getpid(), flush=True)
os._exit(1)
"""


def _run_worker(folder: Path, rejected: int) -> int:
    """Run a worker that counts and then dies without a shutdown; return its process id."""
    result = subprocess.run(
        [sys.executable, "-c", _WORKER, str(rejected)],
        check=False,
        stdout=subprocess.PIPE,
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)},
    )
    return int(result.stdout)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    return tmp_path


def _samples() -> dict[str, float]:
    families = WorkerMetrics().collect()
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_counters_and_gauges_are_sums_of_all_workers(folder: Path) -> None:
    for rejected in (3, 4):
        _run_worker(folder, rejected)
    samples = _samples()
    assert samples["deepshelf_requests_total"] == 7
    assert samples["deepshelf_request_seconds_sum"] == 3.5
    assert samples["deepshelf_queue_depth"] == 2
    assert samples["deepshelf_workers"] == 2


def test_counters_of_a_dead_worker_are_kept_and_its_gauges_removed(folder: Path) -> None:
    pids = [_run_worker(folder, rejected) for rejected in (3, 4)]
    mark_process_dead(pids[0], str(folder))  # type: ignore[no-untyped-call]
    samples = _samples()
    assert samples["deepshelf_requests_total"] == 7
    assert samples["deepshelf_queue_depth"] == 1
    assert samples["deepshelf_workers"] == 1


@pytest.mark.parametrize("kind", ["counter", "histogram", "gauge_livesum", "gauge_liveall"])
def test_the_empty_file_of_a_worker_that_is_starting_is_skipped(folder: Path, kind: str) -> None:
    _run_worker(folder, 3)
    (folder / f"{kind}_1.db").touch()
    assert _samples()["deepshelf_requests_total"] == 3


def test_gauges_that_are_removed_meanwhile_are_skipped(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = _run_worker(folder, 3)
    merge = MultiProcessCollector.merge

    def remove_then_merge(files: list[str]) -> object:
        mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
        return merge(files)  # type: ignore[no-untyped-call]

    monkeypatch.setattr(MultiProcessCollector, "merge", remove_then_merge)
    samples = _samples()
    assert samples["deepshelf_requests_total"] == 3
    assert "deepshelf_workers" not in samples
