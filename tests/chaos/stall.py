"""Measure whether loading a model delays others, by a heartbeat through the event loop.

    python -m tests.chaos stall

First, a thread of this process wakes every millisecond while another loads each model; its longest
wait is how long the GIL was held. Then a client requests `/livez` of a service with one worker
every millisecond, while each model of the store is published again and loaded; its slowest
responses are the longest stalls of the event loop.
"""

import argparse
import asyncio
import json
import threading
import time
from pathlib import Path

from models_store.verify import read_manifest
from service.runtime.model_loader import load
from tests.chaos.http import Connection, HttpRequest
from tests.chaos.report import Report, format_latencies, quantile
from tests.chaos.service_process import Service, running_service
from tests.chaos.stores import copy_store, republish

_MAX_STALL_S = 0.1


class _Heartbeat:
    """Requests `/livez` continuously; records the time and the duration of each response."""

    def __init__(self) -> None:
        self.samples: list[tuple[float, float]] = []

    async def run(self, service: Service) -> None:
        request = HttpRequest("livez", "/livez", method="GET")
        async with Connection(service.port) as connection:
            while True:
                response = await connection.send(request)
                self.samples.append((time.perf_counter(), response.seconds))
                await asyncio.sleep(0.001)

    def latencies_since(self, start: float) -> list[float]:
        return [seconds for at, seconds in self.samples if at >= start]


async def run(report: Report, folder: Path, options: argparse.Namespace) -> None:
    """Load each model of the store, one after the other."""
    names = sorted(path.parent.name for path in options.store.glob("*/1"))
    _measure_gil_stalls(report, options.store, names)
    store = copy_store(options.store, folder, names)
    async with running_service(store, folder, threads=1, store_poll_interval_s=0.2) as service:
        heartbeat = _Heartbeat()
        heartbeat_task = asyncio.create_task(heartbeat.run(service))
        start = time.perf_counter()
        await asyncio.sleep(3)
        report.record("nothing is loaded", format_latencies(heartbeat.latencies_since(start)))
        worst = 0.0
        for name in names:
            version = await asyncio.to_thread(republish, store, name)
            start = time.perf_counter()
            await _wait_until_ready(service, name, version)
            await asyncio.sleep(0.2)  # the old one is released
            beats = heartbeat.latencies_since(start)
            worst = max(worst, *beats)
            report.record(f"while {name} is loaded", format_latencies(beats))
        heartbeat_task.cancel()
        report.expect(
            f"no stall is over {1000 * _MAX_STALL_S:.0f} ms ({1000 * worst:.0f})",
            worst <= _MAX_STALL_S,
        )
        all_beats = [seconds for _, seconds in heartbeat.samples]
        report.record("p99.9 of all", f"{1000 * quantile(all_beats, 0.999):.1f} ms")


def _measure_gil_stalls(report: Report, store: Path, names: list[str]) -> None:
    gaps, finished = list[tuple[float, float]](), threading.Event()

    def wake() -> None:
        last = time.perf_counter()
        while not finished.is_set():
            time.sleep(0.001)
            now = time.perf_counter()
            gaps.append((now, now - last))
            last = now

    thread = threading.Thread(target=wake)
    thread.start()
    for name in names:
        folder = max((store / name).iterdir(), key=lambda path: int(path.name))
        manifest = read_manifest(folder)
        start = time.perf_counter()
        load(folder, manifest)
        load_s = time.perf_counter() - start
        time.sleep(0.01)
        longest = max(gap for at, gap in gaps if at >= start)
        report.record(f"{name}: loaded in, longest wait of another thread",
                      f"{1000 * load_s:.0f} ms, {1000 * longest:.1f} ms")  # fmt: skip
    finished.set()
    thread.join()


async def _wait_until_ready(service: Service, name: str, version: int) -> None:
    while True:
        _, body = await service.get("/v1/models")
        models = {model["name"]: model["versions"] for model in json.loads(body)["models"]}
        if (version, "ready") in [(entry["version"], entry["state"]) for entry in models[name]]:
            return
        await asyncio.sleep(0.02)
