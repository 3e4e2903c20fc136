"""Run the service in a separate process, on a free port of 127.0.0.1."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.chaos.http import Connection, HttpRequest
from tests.e2e.server import free_port

MIB = 1 << 20


@dataclass(frozen=True)
class Service:
    process: asyncio.subprocess.Process
    port: int
    log: Path

    async def get(self, path: str) -> tuple[int, bytes]:
        """Send a request on a new connection, so that any worker may respond."""
        async with Connection(self.port) as connection:
            response = await connection.send(HttpRequest(path, path, method="GET"))
        return response.status, response.body

    async def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples that have these labels."""
        _, text = await self.get("/metrics")
        return sum(
            sample.value
            for family in text_string_to_metric_families(text.decode())
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    async def worker_memory_mib(self) -> dict[int, float]:
        """Return the resident memory of each worker, in MiB, by process id."""
        _, text = await self.get("/metrics")
        return {
            int(sample.labels["pid"]): sample.value / MIB
            for family in text_string_to_metric_families(text.decode())
            for sample in family.samples
            if sample.name == "deepshelf_process_resident_memory_bytes"
        }

    @property
    def resident_mib(self) -> float:
        """Return the resident memory of the started process, in MiB."""
        return resident_mib(self.process.pid)

    @property
    def cpu_s(self) -> float:
        """Return the processor time of the started process, in seconds."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def error_lines(self) -> list[str]:
        """Return the lines of the log with errors."""
        lines = self.log.read_text().splitlines()
        return [line for line in lines if '"level": "error"' in line or "Traceback" in line]


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process, in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


@asynccontextmanager
async def running_service(store: Path, folder: Path, **settings: object) -> AsyncIterator[Service]:
    """Start it, wait until every worker is ready, and stop it at the end."""
    port = free_port()
    values = {"port": port, "store": store, "workers": 1, "log_format": "json", **settings}
    environment = {name: text for name, text in os.environ.items() if "DEEPSHELF" not in name}
    environment |= {f"DEEPSHELF_{name.upper()}": str(value) for name, value in values.items()}
    async with _running_process(folder, port, environment, "service") as service:
        await _wait_until_ready(service, int(str(values["workers"])))
        yield service


@asynccontextmanager
async def running_rejecting_server(folder: Path) -> AsyncIterator[Service]:
    """Run `reject_only_server.py`."""
    port = free_port()
    bare = ("tests.chaos.reject_only_server", str(port))
    async with _running_process(folder, port, dict(os.environ), *bare) as server:
        while True:
            try:
                await server.get("/")
                break
            except OSError:
                await asyncio.sleep(0.05)
        yield server


@asynccontextmanager
async def _running_process(
    folder: Path, port: int, environment: dict[str, str], *module: str
) -> AsyncIterator[Service]:
    log = folder / f"log-{port}"
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *module, env=environment, stdout=file, stderr=file
        )
    try:
        yield Service(process, port, log)
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 60)


async def _wait_until_ready(service: Service, workers: int) -> None:
    """Wait for enough successes in a row that almost certainly no worker is still loading."""
    successes = 0
    for _ in range(3600):
        if service.process.returncode is not None:
            raise RuntimeError(f"it ended by itself:\n{service.log.read_text()}")
        try:
            status, _ = await service.get("/readyz")
            successes = successes + 1 if status == 200 else 0
            if (
                successes >= (1 if workers == 1 else 40)
                and len(await service.worker_memory_mib()) == workers
            ):
                return
        except OSError:
            successes = 0
        await asyncio.sleep(0.05)
    log = "\n".join(service.log.read_text().splitlines()[-20:])
    raise RuntimeError(f"it was not ready after 3,600 attempts:\n{log}")
