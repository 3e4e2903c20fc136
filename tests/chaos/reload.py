"""New versions under load: 100 good ones, one after the other, and bad ones between them.

    python -m tests.chaos reload --rounds 100

One worker. The version that an answer names must be one that was published and good, and never go
back. Between two reloads the old version's folder is taken away.
"""

import argparse
import asyncio
import json
import time
from collections import Counter
from pathlib import Path

from tests.chaos.http import Connection, Question
from tests.chaos.questions import Golden, classify, text
from tests.chaos.report import Report, milliseconds
from tests.chaos.service_process import Service, serving
from tests.chaos.shelves import copy_shelf, publish_again, publish_damaged, withdraw

__all__ = ["run"]

_MODELS = ("resnet-cifar10", "charnn-tiny")
_DAMAGES = ("flipped", "cut", "empty", "lying")


class _Clients:
    """Ask all the time, and watch which version answers."""

    def __init__(self, service: Service, golden: Golden) -> None:
        self._service, self._golden = service, golden
        self.told: Counter[str] = Counter()
        self.seconds: list[float] = []
        self.bad: set[int] = set()
        self.stopped = False

    async def ask(self, question: Question) -> None:
        newest = 0
        async with Connection(self._service.port) as connection:
            while not self.stopped:
                answer = await connection.ask(question)
                self.seconds.append(answer.seconds)
                if answer.status != 200 or not self._golden.is_right(question, answer):
                    self.told[f"wrong: {answer.status} {answer.body[:90]!r}"] += 1
                    continue
                version = json.loads(answer.body)["version"]
                self.told["right"] += 1
                self.told["by a bad version"] += version in self.bad
                self.told["by an older version than before"] += version < newest
                newest = version
                await asyncio.sleep(0.005)


async def run(report: Report, folder: Path, options: argparse.Namespace) -> None:
    """Reload under load; memory is looked at after every tenth."""
    shelf, rounds = copy_shelf(options.store, folder, _MODELS), options.rounds or 100
    async with serving(shelf, folder, threads=1, reload_s=0.1) as service:
        golden, questions = Golden(), {"resnet-cifar10": classify(), "charnn-tiny": text(1, 60)}
        await golden.learn(service, questions.values())
        clients = _Clients(service, golden)
        tasks = [asyncio.create_task(clients.ask(one)) for one in questions.values()]
        memory, took, kept = [service.resident_mib], [], 0
        for round_ in range(1, rounds + 1):
            took += [await _reload(service, shelf, name) for name in _MODELS]
            if round_ % 10 == 0:
                memory.append(service.resident_mib)
                kept += await _damage(service, shelf, clients, round_)
        clients.stopped = True
        await asyncio.gather(*tasks)
        _tell(report, clients, memory, took)
        report.promise("a bad version never replaced a good one, and its reason was told",
                       kept == rounds // 10)  # fmt: skip
        errors = [line for line in service.errors() if "model failed" not in line]
        report.promise(f"the log has no other errors {errors[:2]}", not errors)


def _tell(report: Report, clients: _Clients, memory: list[float], took: list[float]) -> None:
    told = clients.told
    for what, count in sorted(told.items()):
        report.figure(what, f"{count:,}")
    report.figure("versions loaded", f"{len(took)}")
    report.figure("from publishing until it answers (a look each 0.1 s)", milliseconds(took))
    report.figure("time of an answer meanwhile", milliseconds(clients.seconds))
    listed = " ".join(f"{one:.0f}" for one in memory)
    report.figure("memory at the start and after each tenth round, MiB", listed)
    grown = memory[-1] - memory[1] if len(memory) > 2 else 0.0
    report.figure("growth after the first ten rounds", f"{grown:.1f} MiB")
    report.promise("no answer was wrong", not [what for what in told if "wrong" in what])
    report.promise("none came from a bad version", not told["by a bad version"])
    report.promise("no version came back", not told["by an older version than before"])
    report.promise("memory grew by under 32 MiB after the first ten", grown < 32)


async def _reload(service: Service, shelf: Path, name: str) -> float:
    """Publish once more; the seconds until it answers. Then take the old one away."""
    version = await asyncio.to_thread(publish_again, shelf, name)
    start = time.perf_counter()
    while (states := await _states(service, name)).get(version) != "ready":
        if time.perf_counter() - start > 30:
            raise RuntimeError(f"{name} {version} was not picked up: {states}")
        await asyncio.sleep(0.02)
    took = time.perf_counter() - start
    await asyncio.to_thread(withdraw, shelf / name / str(version - 1))
    while await _states(service, name) != {version: "ready"}:
        await asyncio.sleep(0.02)
    return took


async def _damage(service: Service, shelf: Path, clients: _Clients, round_: int) -> bool:
    """Publish a bad version; whether it was refused, and the good one went on."""
    name, how = "resnet-cifar10", _DAMAGES[round_ // 10 % len(_DAMAGES)]
    good = next(iter(await _states(service, name)))
    clients.bad.add(good + 1)
    bad = await asyncio.to_thread(publish_damaged, shelf, name, how)
    for _ in range(500):
        states = await _states(service, name)
        if states.get(good + 1) not in (None, "loading"):
            break
        await asyncio.sleep(0.02)
    await asyncio.to_thread(withdraw, bad)
    while len(await _states(service, name)) > 1:
        await asyncio.sleep(0.02)
    clients.bad.discard(good + 1)  # the next good one has this number
    return states == {good: "ready", good + 1: "failed"}


async def _states(service: Service, name: str) -> dict[int, str]:
    _, body = await service.get("/v1/models")
    models = json.loads(body)["models"]
    (found,) = (model for model in models if model["name"] == name)
    return {one["version"]: one["state"] for one in found["versions"]}
