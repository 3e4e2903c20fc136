"""Does loading a model keep the others waiting? A heartbeat through the event loop says so.

    python -m tests.chaos stall

First in this process: a thread wakes every millisecond while another loads each model, and so sees
for how long the interpreter lock is held. Then in a service of one worker: a client asks `/livez`
again and again, with 1 ms between, and its slowest answers are the event loop's longest stalls;
meanwhile each model of the shelf is published once more and loaded.
"""

import argparse
import asyncio
import json
import threading
import time
from pathlib import Path

from models_store.verify import read_manifest
from service.runtime.loaded_model import load
from tests.chaos.http import Connection, Question
from tests.chaos.report import Report, milliseconds, quantile
from tests.chaos.service_process import Service, serving
from tests.chaos.shelves import copy_shelf, publish_again

__all__ = ["run"]

_MOST_S = 0.1


class _Heart:
    """Beats: when each was answered, and how long it took."""

    def __init__(self) -> None:
        self.beats: list[tuple[float, float]] = []

    async def beat(self, service: Service) -> None:
        question = Question("livez", "/livez", method="GET")
        async with Connection(service.port) as connection:
            while True:
                answer = await connection.ask(question)
                self.beats.append((time.perf_counter(), answer.seconds))
                await asyncio.sleep(0.001)

    def since(self, start: float) -> list[float]:
        return [seconds for at, seconds in self.beats if at >= start]


async def run(report: Report, folder: Path, options: argparse.Namespace) -> None:
    """Each model of the shelf, one after the other."""
    names = sorted(path.parent.name for path in options.store.glob("*/1"))
    _hold_the_lock(report, options.store, names)
    shelf = copy_shelf(options.store, folder, names)
    async with serving(shelf, folder, threads=1, reload_s=0.2) as service:
        heart = _Heart()
        beating = asyncio.create_task(heart.beat(service))
        start = time.perf_counter()
        await asyncio.sleep(3)
        report.figure("nothing is loaded", milliseconds(heart.since(start)))
        worst = 0.0
        for name in names:
            version = await asyncio.to_thread(publish_again, shelf, name)
            start = time.perf_counter()
            await _until_ready(service, name, version)
            await asyncio.sleep(0.2)  # the old one is released
            beats = heart.since(start)
            worst = max(worst, *beats)
            report.figure(f"while {name} is loaded", milliseconds(beats))
        beating.cancel()
        report.promise(
            f"no stall is over {1000 * _MOST_S:.0f} ms ({1000 * worst:.0f})", worst <= _MOST_S
        )
        all_beats = [seconds for _, seconds in heart.beats]
        report.figure("p99.9 of all", f"{1000 * quantile(all_beats, 0.999):.1f} ms")


def _hold_the_lock(report: Report, store: Path, names: list[str]) -> None:
    gaps, over = list[tuple[float, float]](), threading.Event()

    def wake() -> None:
        last = time.perf_counter()
        while not over.is_set():
            time.sleep(0.001)
            now = time.perf_counter()
            gaps.append((now, now - last))
            last = now

    waking = threading.Thread(target=wake)
    waking.start()
    for name in names:
        folder = max((store / name).iterdir(), key=lambda path: int(path.name))
        manifest = read_manifest(folder)
        start = time.perf_counter()
        load(folder, manifest)
        took = time.perf_counter() - start
        time.sleep(0.01)
        longest = max(gap for at, gap in gaps if at >= start)
        report.figure(f"{name}: loaded in, longest wait of another thread",
                      f"{1000 * took:.0f} ms, {1000 * longest:.1f} ms")  # fmt: skip
    over.set()
    waking.join()


async def _until_ready(service: Service, name: str, version: int) -> None:
    while True:
        _, body = await service.get("/v1/models")
        models = {model["name"]: model["versions"] for model in json.loads(body)["models"]}
        if {"version": version, "state": "ready"} in models[name]:
            return
        await asyncio.sleep(0.02)
