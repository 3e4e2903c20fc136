"""Send mixed traffic while clients disconnect, workers are killed and models are replaced.

    python -m tests.chaos soak --seconds 1800

The service has two workers. One is killed repeatedly. The other runs to the end, so that its memory
shows leaks. A response may be missing only if its connection was to the killed worker.
"""

import argparse
import asyncio
import contextlib
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

from tests.chaos.http import Connection, HttpRequest
from tests.chaos.report import Report, format_latencies
from tests.chaos.requests import ExpectedResponses, mixed_requests
from tests.chaos.service_process import Service, resident_mib, running_service
from tests.chaos.stores import copy_store, publish_corrupted, remove_version, republish

_MODELS = (
    "resnet-cifar10", "ensemble-cifar10", "denoiser-mnist", "autoencoder-mnist-conv", "faces-gan",
    "charnn-tiny", "charnn-shakespeare", "handwriting-digits",
)  # fmt: skip
_RELOADED = ("resnet-cifar10", "charnn-tiny", "denoiser-mnist", "charnn-shakespeare")
_DAMAGES = ("flipped", "cut", "empty", "lying")
_CLIENTS = 3
_PAUSE_S = 0.15
"""Mean pause of a client between two requests, in seconds; keeps the load moderate."""
_KILL_EVERY_S, _RELOAD_EVERY_S, _DAMAGE_EVERY_S, _DISCONNECT_EVERY_S = 60.0, 20.0, 45.0, 3.0
_KILL_TOLERANCE_S = 3.0


class _Soak:
    def __init__(
        self, service: Service, golden: ExpectedResponses, http_requests: list[HttpRequest]
    ) -> None:
        self.service, self.expected, self.requests = service, golden, http_requests
        self.random = random.Random(0)
        self.outcomes: Counter[str] = Counter()
        self.unexplained: list[str] = []
        self.seconds: list[float] = []
        self.killed_at = float("-inf")
        self.memory: list[float] = []
        self.surviving_pid = 0
        self.ends_at = 0.0

    @property
    def finished(self) -> bool:
        return time.monotonic() >= self.ends_at

    async def run_client(self) -> None:
        """Send requests continuously, over one connection or over one for each request."""
        while not self.finished:
            try:
                async with Connection(self.service.port) as connection:
                    for _ in range(self.random.choice((1, 20))):
                        await self._send(connection, self.random.choice(self.requests))
                        await asyncio.sleep(self.random.expovariate(1 / _PAUSE_S))
            except OSError as error:
                await self._record_failure(error)

    async def _send(self, connection: Connection, request: HttpRequest) -> None:
        response = await connection.send(request)
        self.outcomes[f"status {response.status}"] += 1
        self.seconds.append(response.seconds)
        if response.status != 200:
            self.unexplained.append(f"{request.name}: {response.status} {response.body[:200]!r}")
        elif self.expected.matches(request, response):
            self.outcomes["right"] += 1
        else:
            self.outcomes["wrong"] += 1
            self.unexplained.append(f"{request.name}: wrong: {response.body[:200]!r}")

    async def _record_failure(self, error: OSError) -> None:
        failed_at = time.monotonic()
        await asyncio.sleep(0.2)  # the note of the kill may come after its effect
        if abs(failed_at - self.killed_at) < _KILL_TOLERANCE_S:
            self.outcomes["cut off by a kill"] += 1
        else:
            self.unexplained.append(f"{type(error).__name__}: {error}")

    async def disconnect_clients(self) -> None:
        """Disconnect while sending a body, while waiting, or while receiving a response."""
        while await self._pause(_DISCONNECT_EVERY_S):
            request = self.random.choice(self.requests)
            with contextlib.suppress(OSError):
                async with Connection(self.service.port) as connection:
                    raw = request.encode()
                    moment = self.random.choice(("body", "wait", "response"))
                    connection.writer.write(raw[: len(raw) * 2 // 3] if moment == "body" else raw)
                    if moment == "response":
                        await connection.reader.read(20)
                    else:
                        await asyncio.sleep(self.random.uniform(0, 0.05))
                    connection.writer.transport.abort()
                    self.outcomes[f"left in the {moment}"] += 1

    async def kill_workers(self) -> None:
        """Kill the worker that is not the one to keep, repeatedly."""
        while await self._pause(_KILL_EVERY_S):
            others = [pid for pid in await self._workers() if pid != self.surviving_pid]
            if others:
                self.killed_at = time.monotonic()
                os.kill(others[0], signal.SIGKILL)
                self.outcomes["workers killed"] += 1

    async def _workers(self) -> dict[int, float]:
        for _ in range(50):
            with contextlib.suppress(OSError):
                return await self.service.worker_memory_mib()
            await asyncio.sleep(0.1)
        raise RuntimeError("the worker processes could not be found")

    async def publish_versions(self, store: Path) -> None:
        """Publish new versions, and remove the old ones before the new ones must be loaded."""
        while await self._pause(_RELOAD_EVERY_S):
            name = self.random.choice(_RELOADED)
            await asyncio.to_thread(republish, store, name)
            self.outcomes["versions published"] += 1

    async def publish_corrupted_versions(self, store: Path) -> None:
        while await self._pause(_DAMAGE_EVERY_S):
            damage = self.random.choice(_DAMAGES)
            folder = await asyncio.to_thread(publish_corrupted, store, "ensemble-cifar10", damage)
            self.outcomes["damaged versions"] += 1
            await asyncio.sleep(8)
            await asyncio.to_thread(remove_version, folder)

    async def sample_memory(self) -> None:
        while await self._pause(5.0):
            self.memory.append(resident_mib(self.surviving_pid))

    async def _pause(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.finished:
            await asyncio.sleep(min(1.0, seconds))
        return not self.finished


async def run(report: Report, folder: Path, options: argparse.Namespace) -> None:
    """Run the load, then check that responses, models and memory are as before."""
    seconds = options.seconds or 1800
    store = copy_store(options.store, folder, _MODELS)
    async with running_service(
        store, folder, workers=2, threads=1, store_poll_interval_s=2, deadline_s=120
    ) as service:
        requests = mixed_requests(store)
        expected = ExpectedResponses()
        await expected.record(service, requests)
        soak = _Soak(service, expected, requests)
        soak.surviving_pid = max(await service.worker_memory_mib())
        soak.ends_at = time.monotonic() + seconds
        async with asyncio.TaskGroup() as tasks:
            for work in (
                soak.disconnect_clients(),
                soak.kill_workers(),
                soak.sample_memory(),
                soak.publish_versions(store),
                soak.publish_corrupted_versions(store),
                *(soak.run_client() for _ in range(_CLIENTS)),
            ):
                tasks.create_task(work)  # fmt: skip
        await _report_results(report, soak, seconds)


async def _report_results(report: Report, soak: _Soak, seconds: float) -> None:
    service, outcomes = soak.service, soak.outcomes
    await asyncio.sleep(3)
    report.record("seconds", f"{seconds:g}")
    for name, count in sorted(outcomes.items()):
        report.record(name, f"{count:,}")
    report.record("response time", format_latencies(soak.seconds))
    warm, end = soak.memory[min(len(soak.memory) - 1, 12)], soak.memory[-1]
    report.record("memory of the worker that lived on, after a minute", f"{warm:.0f} MiB")
    report.record("… at the end, and at most", f"{end:.0f} MiB, {max(soak.memory):.0f} MiB")
    for line in soak.unexplained[:10]:
        report.record("unexplained", line)
    status, _ = await service.get("/readyz")
    report.expect("no response was wrong", outcomes["wrong"] == 0)
    report.expect("no error is unexplained", not soak.unexplained)
    report.expect("both workers serve at the end", len(await service.worker_memory_mib()) == 2)
    report.expect("it is ready at the end", status == 200)
    report.expect("nothing waits or runs", await _is_idle(service))
    failures = [line for line in service.error_lines() if "model failed" not in line]
    for line in failures[:5]:
        report.record("log", line[:300])
    report.expect("the log has no errors but those of damaged versions", not failures)


async def _is_idle(service: Service) -> bool:
    depth = await service.metric("deepshelf_queue_depth")
    return depth + await service.metric("deepshelf_queue_running") == 0
