"""Requests at 20 times what the service can do.

    python -m tests.chaos overload --seconds 60 --queue-size 32

One worker, one thread, one model. First the capacity (four clients, each asking when it has its
answer) and the latency of a single client. Then requests at 20 times that rate, whether answers
come or not, over 400 connections. Then the single client again. The generator runs on the same
machine and takes its share of it. So the same storm is sent to a server that does nothing but
refuse (`bare.py`), with the model at work beside it: more than that cannot be left for those let
in. Then it comes once more, each request on a connection of its own.
"""

import argparse
import asyncio
import time
from collections import deque
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.chaos.http import Answer, Connection, Question
from tests.chaos.questions import Golden, classify
from tests.chaos.report import Report, milliseconds, quantile
from tests.chaos.service_process import Service, refusing, serving
from tests.chaos.shelves import copy_shelf

__all__ = ["run"]

_MODEL = "ensemble-cifar10"
_CONNECTIONS = 400
_SLACK = 2.0
"""Of an accepted request's p99 against what its place in the queue makes of the unloaded p50: the
generator, the refusals and the model share the cores."""
_LEFT = 0.8
"""For those that are let in, of what is left beside a server that only refuses."""
_BESIDE_S = 10


@dataclass
class _Storm:
    """What came of many requests."""

    accepted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    wrong: int = 0
    bare: int = 0
    """Refusals that do not say when to come back."""
    unsent: int = 0
    """Due while all connections waited for an answer."""
    memory: list[float] = field(default_factory=list)
    generator: float = 0.0
    """Cores that sending and reading took."""
    service: float = 0.0
    """Cores that answering took."""

    @property
    def sent(self) -> int:
        return len(self.accepted) + len(self.refused) + len(self.late) + len(self.other)

    def note(self, question: Question, answer: Answer, golden: Golden) -> None:
        if answer.status == 200:
            self.accepted.append(answer.seconds)
            self.wrong += not golden.is_right(question, answer)
        elif answer.status == 503:
            self.refused.append(answer.seconds)
            self.bare += int(answer.headers.get("retry-after", 0)) < 1
        elif answer.status == 504:
            self.late.append(answer.seconds)
        else:
            self.other.append(f"{answer.status} {answer.body[:80]!r}")


class _Anew:
    """Stands for a client that connects for each request."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def ask(self, question: Question) -> Answer:
        """Its time begins when it connects."""
        start = time.perf_counter()
        async with Connection(self._port) as connection:
            answer = await connection.ask(question)
        return replace(answer, seconds=time.perf_counter() - start)


async def run(report: Report, folder: Path, options: argparse.Namespace) -> None:
    """Before, during and after; then the same with a deadline that most do not meet."""
    seconds, places = options.seconds or 60, options.queue_size
    shelf = copy_shelf(options.store, folder, [_MODEL])
    question, golden = classify(_MODEL), Golden()
    async with serving(shelf, folder, threads=1, queue_size=places) as service:
        await golden.learn(service, [question])
        before = await _alone(service, question, 150)
        capacity = await _capacity(service, question)
        resting = service.resident_mib
        report.figure("one client", milliseconds(before))
        report.figure("capacity, four clients", f"{capacity:.0f} requests/s")
        rate = options.times * capacity
        decoded = await _decoded(service)
        storm = await _storm(service, question, golden, rate, seconds)
        decoded = await _decoded(service) - decoded
        _tell(report, storm, seconds, capacity)
        sent = storm.sent / seconds
        left = await _beside(report, folder, service, question, sent)
        await _newcomers(report, service, question, golden, rate)
        # Twice, because a machine is not equally quick all the time.
        left = (left + await _beside(report, folder, service, question, sent)) / 2
        after = await _alone(service, question, 150)
        report.figure("one client, afterwards", milliseconds(after))
        report.figure(
            "memory before, at most, after",
            f"{resting:.0f} MiB, {max(storm.memory):.0f} MiB, {service.resident_mib:.0f} MiB",
        )
        _judge(report, storm, places, len(storm.accepted) / seconds, left)
        grown = max(storm.memory) - resting
        report.promise(f"memory grew by {grown:.0f} MiB, at most 64", grown <= 64)
        report.promise("nothing was decoded that was refused", decoded == len(storm.accepted))
        again = quantile(after, 0.5) <= 1.5 * quantile(before, 0.5)
        report.promise("afterwards it is as fast as before", again)
    await _deadlines(report, shelf, folder, question, golden, rate)


def _tell(report: Report, storm: _Storm, seconds: float, capacity: float) -> None:
    rate = f"{storm.sent / seconds:.0f}/s, {storm.sent / seconds / capacity:.1f} × the capacity"
    more = f"{storm.unsent:,} more were due"
    report.figure(f"sent in {seconds:g} s", f"{storm.sent:,} ({rate}); {more}")
    report.figure("answered with 200", milliseconds(storm.accepted))
    report.figure("refused with 503", milliseconds(storm.refused))
    cores = f"generator {storm.generator:.2f}, service {storm.service:.2f}"
    report.figure("cores that were taken", cores)
    share = len(storm.accepted) / seconds / capacity
    report.figure("answers in a second, of the capacity", f"{100 * share:.0f} %")


def _judge(report: Report, storm: _Storm, places: int, answered: float, left: float) -> None:
    """`answered` and `left` are requests a second: those let in, and the most that could be."""
    report.promise("no answer was wrong", storm.wrong == 0)
    report.promise(f"nothing but 200 and 503 {storm.other[:3]}", not storm.other + storm.late)
    report.promise("every refusal says when to come back", storm.bare == 0)
    share = answered / left
    promised = f"{100 * share:.0f} % of that is left here, at least {100 * _LEFT:.0f}"
    report.promise(promised, share >= _LEFT)
    bound = _SLACK * (places + 1) / left
    most = quantile(storm.accepted, 0.99)
    kept = most <= bound
    report.promise(f"p99 of those let in is under {_SLACK:g} × a full queue: {bound:.2f} s", kept)
    quick = quantile(storm.refused, 0.99)
    report.promise(f"p99 of a refusal, {1000 * quick:.0f} ms, is under 250 ms", quick < 0.25)


async def _alone(service: Service, question: Question, times: int) -> list[float]:
    async with Connection(service.port) as connection:
        return [(await connection.ask(question)).seconds for _ in range(times)]


async def _capacity(service: Service, question: Question) -> float:
    start = time.perf_counter()
    each = await asyncio.gather(*(_alone(service, question, 60) for _ in range(4)))
    return sum(map(len, each)) / (time.perf_counter() - start)


async def _decoded(service: Service) -> float:
    return await service.metric("deepshelf_stage_seconds_count", stage="decode")


async def _storm(
    service: Service,
    question: Question,
    golden: Golden,
    rate: float,
    seconds: float,
    *,
    anew: bool = False,
) -> _Storm:
    """Send at `rate` requests a second, whatever comes back; `anew`, each on a new connection."""
    storm, busy = _Storm(), set[asyncio.Task[None]]()
    idle = deque[Connection | _Anew]()

    async def ask(connection: Connection | _Anew) -> None:
        storm.note(question, await connection.ask(question), golden)
        idle.append(connection)

    async with AsyncExitStack() as stack:
        for _ in range(_CONNECTIONS):
            connection = Connection(service.port)
            idle.append(
                _Anew(service.port) if anew else await stack.enter_async_context(connection)
            )
        start, sent, looked = time.perf_counter(), 0, 0.0
        ours, theirs = time.process_time(), service.processor_s
        while (now := time.perf_counter() - start) < seconds:
            due = int(now * rate)
            while sent + storm.unsent < due:
                if not idle:
                    storm.unsent = due - sent
                    break
                task = asyncio.create_task(ask(idle.popleft()))
                busy.add(task)
                task.add_done_callback(busy.discard)
                sent += 1
            if now - looked > 0.5:
                looked = now
                storm.memory.append(service.resident_mib)
            await asyncio.sleep(0.001)
        storm.generator = (time.process_time() - ours) / now
        storm.service = (service.processor_s - theirs) / now
        await asyncio.gather(*busy)
    return storm


async def _beside(
    report: Report, folder: Path, service: Service, question: Question, rate: float
) -> float:
    """Answers a second while as many requests go to a server that only refuses."""
    over = asyncio.Event()

    async def ask() -> int:
        count = 0
        async with Connection(service.port) as connection:
            while not over.is_set():
                count += (await connection.ask(question)).status == 200
        return count

    async with refusing(folder) as server:
        asking = [asyncio.create_task(ask()) for _ in range(16)]
        storm = await _storm(server, question, Golden(), rate, _BESIDE_S)
        over.set()
        left = sum(await asyncio.gather(*asking)) / _BESIDE_S
    report.figure("the same over a server that only refuses", milliseconds(storm.refused))
    cores = f"generator {storm.generator:.2f}, server {storm.service:.2f}"
    report.figure("… cores that were taken", cores)
    report.figure("… and answers a second beside it", f"{left:.0f}")
    return left


async def _newcomers(
    report: Report, service: Service, question: Question, golden: Golden, rate: float
) -> None:
    """The same storm, but each request on a connection of its own."""
    storm = await _storm(service, question, golden, rate, _BESIDE_S, anew=True)
    report.figure(
        "the same on new connections: answered with 200",
        f"{milliseconds(storm.accepted)}, {len(storm.accepted) / _BESIDE_S:.0f} a second",
    )
    report.figure(
        "… refused with 503",
        f"{milliseconds(storm.refused)}, {len(storm.refused) / _BESIDE_S:.0f} a second",
    )
    cores = f"generator {storm.generator:.2f}, service {storm.service:.2f}"
    report.figure("… cores that were taken", cores)
    right = storm.wrong == 0 and not storm.other + storm.late
    report.promise("nothing but right answers and 503 there, too", right)


async def _deadlines(
    report: Report, shelf: Path, folder: Path, question: Question, golden: Golden, rate: float
) -> None:
    """A queue so long that most of it is late: 504 counted from arrival."""
    deadline = 0.5
    settings = {"threads": 1, "queue_size": 1000, "deadline_s": deadline}
    async with serving(shelf, folder, **settings) as service:
        storm = await _storm(service, question, golden, rate, 5.0)
        report.figure(
            "with a deadline of 0.5 s and 1,000 places: 200", milliseconds(storm.accepted)
        )
        report.figure("… 504", milliseconds(storm.late))
        first = min(storm.late, default=0.0)
        # To the millisecond: that is how finely the event loop's clock counts.
        report.promise("none is given up before its deadline", first >= deadline - 0.002)
        last = quantile([*storm.accepted, *storm.late], 0.99)
        report.promise(f"p99 of all is {last:.2f} s, within 2 × the deadline", last < 2 * deadline)
        report.promise("no answer was wrong", storm.wrong == 0)
        await asyncio.sleep(1)
        left = await service.metric("deepshelf_queue_depth", queue="pictures")
        report.promise("nothing is left in the queue", left == 0)
