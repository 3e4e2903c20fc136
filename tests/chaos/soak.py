"""Half an hour of mixed traffic while clients leave, workers are killed and models are replaced.

    python -m tests.chaos soak --seconds 1800

Two workers. One is killed again and again, the other lives to the end, so that its memory tells
what half an hour of all this costs. An answer that is missing is explained when its connection was
one to the worker that was being killed; nothing else explains one.
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

from tests.chaos.http import Connection, Question
from tests.chaos.questions import Golden, mixed
from tests.chaos.report import Report, milliseconds
from tests.chaos.service_process import Service, resident_mib, serving
from tests.chaos.shelves import copy_shelf, publish_again, publish_damaged, withdraw

__all__ = ["run"]

_MODELS = (
    "resnet-cifar10", "ensemble-cifar10", "denoiser-mnist", "autoencoder-mnist-conv", "faces-gan",
    "charnn-tiny", "charnn-shakespeare", "handwriting-digits",
)  # fmt: skip
_RELOADED = ("resnet-cifar10", "charnn-tiny", "denoiser-mnist", "charnn-shakespeare")
_DAMAGES = ("flipped", "cut", "empty", "lying")
_CLIENTS = 3
_PAUSE_S = 0.15
"""Of each client between two questions, on average: the load is meant to be moderate."""
_KILL_EVERY_S, _RELOAD_EVERY_S, _DAMAGE_EVERY_S, _LEAVE_EVERY_S = 60.0, 20.0, 45.0, 3.0
_EXPLAINED_S = 3.0


class _Soak:
    def __init__(self, service: Service, golden: Golden, questions: list[Question]) -> None:
        self.service, self.golden, self.questions = service, golden, questions
        self.random = random.Random(0)
        self.told: Counter[str] = Counter()
        self.unexplained: list[str] = []
        self.seconds: list[float] = []
        self.killed_at = float("-inf")
        self.memory: list[float] = []
        self.kept = 0
        self.until = 0.0

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.until

    async def client(self) -> None:
        """Ask again and again; over one connection, or one for each question."""
        while not self.over:
            try:
                async with Connection(self.service.port) as connection:
                    for _ in range(self.random.choice((1, 20))):
                        await self._ask(connection, self.random.choice(self.questions))
                        await asyncio.sleep(self.random.expovariate(1 / _PAUSE_S))
            except OSError as error:
                await self._explain(error)

    async def _ask(self, connection: Connection, question: Question) -> None:
        answer = await connection.ask(question)
        self.told[f"status {answer.status}"] += 1
        self.seconds.append(answer.seconds)
        if answer.status != 200:
            self.unexplained.append(f"{question.name}: {answer.status} {answer.body[:200]!r}")
        elif self.golden.is_right(question, answer):
            self.told["right"] += 1
        else:
            self.told["wrong"] += 1
            self.unexplained.append(f"{question.name}: wrong: {answer.body[:200]!r}")

    async def _explain(self, error: OSError) -> None:
        failed_at = time.monotonic()
        await asyncio.sleep(0.2)  # the note of the kill may come after its effect
        if abs(failed_at - self.killed_at) < _EXPLAINED_S:
            self.told["cut off by a kill"] += 1
        else:
            self.unexplained.append(f"{type(error).__name__}: {error}")

    async def leaver(self) -> None:
        """Leave in the middle of a body, of the waiting, or of an answer."""
        while await self._pause(_LEAVE_EVERY_S):
            question = self.random.choice(self.questions)
            with contextlib.suppress(OSError):
                async with Connection(self.service.port) as connection:
                    raw = question.raw()
                    how = self.random.choice(("body", "wait", "answer"))
                    connection.writer.write(raw[: len(raw) * 2 // 3] if how == "body" else raw)
                    if how == "answer":
                        await connection.reader.read(20)
                    else:
                        await asyncio.sleep(self.random.uniform(0, 0.05))
                    connection.writer.transport.abort()
                    self.told[f"left in the {how}"] += 1

    async def killer(self) -> None:
        """SIGKILL to whichever worker is not the one that is kept."""
        while await self._pause(_KILL_EVERY_S):
            others = [pid for pid in await self._workers() if pid != self.kept]
            if others:
                self.killed_at = time.monotonic()
                os.kill(others[0], signal.SIGKILL)
                self.told["workers killed"] += 1

    async def _workers(self) -> dict[int, float]:
        for _ in range(50):
            with contextlib.suppress(OSError):
                return await self.service.workers()
            await asyncio.sleep(0.1)
        raise RuntimeError("nobody tells what workers there are")

    async def publisher(self, shelf: Path) -> None:
        """New versions, of which the old one goes when the new one may not be loaded yet."""
        while await self._pause(_RELOAD_EVERY_S):
            name = self.random.choice(_RELOADED)
            await asyncio.to_thread(publish_again, shelf, name)
            self.told["versions published"] += 1

    async def damager(self, shelf: Path) -> None:
        while await self._pause(_DAMAGE_EVERY_S):
            how = self.random.choice(_DAMAGES)
            folder = await asyncio.to_thread(publish_damaged, shelf, "ensemble-cifar10", how)
            self.told["damaged versions"] += 1
            await asyncio.sleep(8)
            await asyncio.to_thread(withdraw, folder)

    async def watcher(self) -> None:
        while await self._pause(5.0):
            self.memory.append(resident_mib(self.kept))

    async def _pause(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.over:
            await asyncio.sleep(min(1.0, seconds))
        return not self.over


async def run(report: Report, folder: Path, options: argparse.Namespace) -> None:
    """Soak, then look whether everything is as it was."""
    seconds = options.seconds or 1800
    shelf = copy_shelf(options.store, folder, _MODELS)
    async with serving(shelf, folder, workers=2, threads=1, reload_s=2, deadline_s=120) as service:
        questions = mixed(shelf)
        golden = Golden()
        await golden.learn(service, questions)
        soak = _Soak(service, golden, questions)
        soak.kept = max(await service.workers())
        soak.until = time.monotonic() + seconds
        async with asyncio.TaskGroup() as tasks:
            for work in (
                soak.leaver(),
                soak.killer(),
                soak.watcher(),
                soak.publisher(shelf),
                soak.damager(shelf),
                *(soak.client() for _ in range(_CLIENTS)),
            ):
                tasks.create_task(work)  # fmt: skip
        await _tell(report, soak, seconds)


async def _tell(report: Report, soak: _Soak, seconds: float) -> None:
    service, told = soak.service, soak.told
    await asyncio.sleep(3)
    report.figure("seconds", f"{seconds:g}")
    for name, count in sorted(told.items()):
        report.figure(name, f"{count:,}")
    report.figure("time of an answer", milliseconds(soak.seconds))
    warm, end = soak.memory[min(len(soak.memory) - 1, 12)], soak.memory[-1]
    report.figure("memory of the worker that lived on, after a minute", f"{warm:.0f} MiB")
    report.figure("… at the end, and at most", f"{end:.0f} MiB, {max(soak.memory):.0f} MiB")
    for line in soak.unexplained[:10]:
        report.figure("unexplained", line)
    status, _ = await service.get("/readyz")
    report.promise("no answer was wrong", told["wrong"] == 0)
    report.promise("no error is unexplained", not soak.unexplained)
    report.promise("both workers serve at the end", len(await service.workers()) == 2)
    report.promise("it is ready at the end", status == 200)
    report.promise("nothing waits or runs", await _idle(service))
    failures = [line for line in service.errors() if "model failed" not in line]
    for line in failures[:5]:
        report.figure("log", line[:300])
    report.promise("the log has no errors but those of damaged versions", not failures)


async def _idle(service: Service) -> bool:
    depth = await service.metric("deepshelf_queue_depth")
    return depth + await service.metric("deepshelf_queue_running") == 0
