"""SIGTERM and SIGHUP in the middle of work, with one worker and with two.

    python -m tests.chaos shutdown --rounds 10

A request counts as lost when it was sent over a connection that the service had taken and no whole
answer came. A connection that the kernel had taken and the service had not is counted apart.
"""

import argparse
import asyncio
import random
import signal
import time
from collections import Counter
from pathlib import Path

from tests.chaos.http import Answer, Connection, Question
from tests.chaos.questions import Golden, classify, text
from tests.chaos.report import Report, milliseconds
from tests.chaos.service_process import Service, serving
from tests.chaos.shelves import copy_shelf

__all__ = ["run"]

_MODELS = ("resnet-cifar10", "charnn-tiny", "charnn-shakespeare")
_KEEPING, _FRESH, _STREAMING = 6, 4, 4
"""Clients that keep their connection, that take a new one for each question, that read streams."""


async def run(report: Report, folder: Path, options: argparse.Namespace) -> None:
    """Some rounds of each."""
    shelf = copy_shelf(options.store, folder, _MODELS)
    rounds = options.rounds or 10
    for workers in (1, 2):
        told, ends, clean = Counter[str](), list[float](), 0
        for round_ in range(rounds):
            async with serving(shelf, folder, workers=workers, threads=1) as service:
                traffic = await _Traffic.start(service, told)
                await asyncio.sleep(random.Random(round_).uniform(0.5, 1.5))
                start = time.perf_counter()
                service.terminate()
                await traffic.end()
                clean += await service.process.wait() == 0
                ends.append(time.perf_counter() - start)
        _tell(report, f"SIGTERM, {workers} worker(s), {rounds} rounds", told)
        report.figure("from SIGTERM to the end", milliseconds(ends))
        report.promise(f"it ended with status 0 every time ({clean})", clean == rounds)
    await _replace(report, shelf, folder)


async def _replace(report: Report, shelf: Path, folder: Path) -> None:
    """SIGHUP: each worker is replaced in turn, while requests come."""
    told = Counter[str]()
    async with serving(shelf, folder, workers=2, threads=1) as service:
        traffic = await _Traffic.start(service, told)
        first = set(await service.workers())
        for _ in range(2):
            service.process.send_signal(signal.SIGHUP)
            before = set(await service.workers())
            for _ in range(600):
                now = set(await service.workers())
                if len(now) == 2 and not now & before:
                    break
                await asyncio.sleep(0.1)
        replaced = not set(await service.workers()) & first
        traffic.stop()
        await traffic.end()
    _tell(report, "SIGHUP twice, 2 workers", told)
    report.promise("all workers are new", replaced)
    report.promise("nobody was refused", not told["refused at the door"])


def _tell(report: Report, name: str, told: Counter[str]) -> None:
    report.figure(name, "")
    for what, count in sorted(told.items()):
        report.figure(f"  {what}", f"{count:,}")
    report.promise("no request that was accepted was lost", not told["lost"])
    report.promise("no answer was wrong", not told["wrong"])


class _Traffic:
    """Clients that go on until the service is gone."""

    def __init__(self, service: Service, golden: Golden, told: Counter[str]) -> None:
        self._service, self._golden, self._told = service, golden, told
        self._stopped = False
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    async def start(cls, service: Service, told: Counter[str]) -> "_Traffic":
        pictures = [classify(), text(1, 100)]
        streams = [text(seed, 400, model="charnn-shakespeare", stream=True) for seed in range(3)]
        golden = Golden()
        await golden.learn(service, [*pictures, *streams])
        traffic = cls(service, golden, told)
        for count, questions, fresh in (
            (_KEEPING, pictures, False), (_FRESH, pictures, True), (_STREAMING, streams, False)
        ):  # fmt: skip
            for index in range(count):
                client = traffic._client(questions, random.Random(index), fresh=fresh)
                traffic._tasks.append(asyncio.create_task(client))
        return traffic

    def stop(self) -> None:
        self._stopped = True

    async def end(self) -> None:
        await asyncio.gather(*self._tasks)

    async def _client(
        self, questions: list[Question], choice: random.Random, *, fresh: bool
    ) -> None:
        while not self._stopped:
            try:
                async with Connection(self._service.port) as connection:
                    await self._conversation(connection, questions, choice, fresh=fresh)
            except ConnectionRefusedError:
                self._told["refused at the door"] += 1
                return
            except OSError:
                self._told["cut off before it was taken"] += 1

    async def _conversation(
        self,
        connection: Connection,
        questions: list[Question],
        choice: random.Random,
        *,
        fresh: bool,
    ) -> None:
        taken = False
        while not self._stopped:
            question = choice.choice(questions)
            try:
                answer = await connection.ask(question, close=fresh)
            except OSError:
                if not taken:  # the first request of a connection tells nobody whether it was
                    raise
                self._told["lost"] += 1
                return
            taken = True
            self._note(question, answer)
            if answer.closes:
                return
            await asyncio.sleep(choice.choice((0, 0, 0.01)))

    def _note(self, question: Question, answer: Answer) -> None:
        right = answer.status == 200 and self._golden.is_right(question, answer)
        self._told["right" if right else "wrong"] += 1
