"""Several processes that share a metrics directory, as the workers of one service do."""

import os
import subprocess
import sys
from pathlib import Path

from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

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
    """A worker that counts and then dies without a shutdown; returns its process id."""
    result = subprocess.run(
        [sys.executable, "-c", _WORKER, str(rejected)],
        check=False,
        timeout=60,
        stdout=subprocess.PIPE,
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)},
    )
    return int(result.stdout)


def _samples(folder: Path) -> dict[str, float]:
    families = MultiProcessCollector(None, str(folder)).collect()  # type: ignore[no-untyped-call]
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_counters_and_gauges_are_sums_of_all_workers(tmp_path: Path) -> None:
    for rejected in (3, 4):
        _run_worker(tmp_path, rejected)
    samples = _samples(tmp_path)
    assert samples["deepshelf_requests_total"] == 7
    assert samples["deepshelf_request_seconds_sum"] == 3.5
    assert samples["deepshelf_queue_depth"] == 2
    assert samples["deepshelf_workers"] == 2


def test_counters_of_a_dead_worker_stay_and_its_gauges_go(tmp_path: Path) -> None:
    pids = [_run_worker(tmp_path, rejected) for rejected in (3, 4)]
    mark_process_dead(pids[0], str(tmp_path))  # type: ignore[no-untyped-call]
    samples = _samples(tmp_path)
    assert samples["deepshelf_requests_total"] == 7
    assert samples["deepshelf_queue_depth"] == 1
    assert samples["deepshelf_workers"] == 1
