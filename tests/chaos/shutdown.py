"""SIGTERM and SIGHUP under load, with one worker and with two.

    python -m tests.chaos shutdown --rounds 10 --connections 4,40,100

`--connections` is the number of clients that open a new connection for each request. A request
counts as lost if it was sent over a connection that had served one before and got no complete
response; a connection that ended before its first response is counted as reset.
"""

import argparse
import asyncio
import random
import signal
import time
from collections import Counter
from pathlib import Path

from tests.chaos.http import Connection, HttpRequest, HttpResponse
from tests.chaos.report import Report, format_latencies
from tests.chaos.requests import ExpectedResponses, classify_request, text_request
from tests.chaos.service_process import Service, running_service
from tests.chaos.stores import copy_store

_MODELS = ("resnet-cifar10", "charnn-tiny", "charnn-shakespeare")
_KEEP_ALIVE_CLIENTS, _STREAMING_CLIENTS = 6, 4


async def run(report: Report, folder: Path, options: argparse.Namespace) -> None:
    """Stop the service repeatedly with each number of clients, then replace workers."""
    store = copy_store(options.store, folder, _MODELS)
    for clients in options.connections:
        for workers in (1, 2):
            await _check_shutdown(report, store, folder, workers, clients, options.rounds or 10)
    await _check_worker_replacement(report, store, folder)


async def _check_shutdown(
    report: Report, store: Path, folder: Path, workers: int, clients: int, rounds: int
) -> None:
    outcomes, shutdown_times, clean_exits = Counter[str](), list[float](), 0
    for round_ in range(rounds):
        async with running_service(store, folder, workers=workers, threads=1) as service:
            traffic = await _Traffic.start(service, outcomes, clients)
            await asyncio.sleep(random.Random(round_).uniform(0.5, 1.5))
            start = time.perf_counter()
            service.terminate()
            await traffic.wait()
            clean_exits += await service.process.wait() == 0
            shutdown_times.append(time.perf_counter() - start)
    name = f"SIGTERM, {workers} worker(s), {clients} clients with new connections, {rounds} rounds"
    _report_results(report, name, outcomes)
    report.record("from SIGTERM to the end", format_latencies(shutdown_times))
    report.expect(f"it ended with status 0 every time ({clean_exits})", clean_exits == rounds)


async def _check_worker_replacement(report: Report, store: Path, folder: Path) -> None:
    """Replace each worker in turn by SIGHUP, under load."""
    outcomes = Counter[str]()
    async with running_service(store, folder, workers=2, threads=1) as service:
        traffic = await _Traffic.start(service, outcomes, new_connection_clients=4)
        initial_workers = set(await service.worker_memory_mib())
        for _ in range(2):
            service.process.send_signal(signal.SIGHUP)
            before = set(await service.worker_memory_mib())
            for _ in range(600):
                now = set(await service.worker_memory_mib())
                if len(now) == 2 and not now & before:
                    break
                await asyncio.sleep(0.1)
        replaced = not set(await service.worker_memory_mib()) & initial_workers
        traffic.stop()
        await traffic.wait()
    _report_results(report, "SIGHUP twice, 2 workers", outcomes)
    report.expect("all workers are new", replaced)
    report.expect("no connection was refused", not outcomes["refused"])


def _report_results(report: Report, name: str, outcomes: Counter[str]) -> None:
    report.record(name, "")
    for outcome, count in sorted(outcomes.items()):
        report.record(f"  {outcome}", f"{count:,}")
    report.expect("no request that was accepted was lost", not outcomes["lost"])
    report.expect("no connection was reset", not outcomes["reset"])
    report.expect("no response was wrong", not outcomes["wrong"])


class _Traffic:
    """Run clients that send requests until the service has ended."""

    def __init__(self, service: Service, golden: ExpectedResponses, outcomes: Counter[str]) -> None:
        self._service, self._golden, self._outcomes = service, golden, outcomes
        self._stopped = False
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    async def start(
        cls, service: Service, outcomes: Counter[str], new_connection_clients: int
    ) -> "_Traffic":
        plain_requests = [classify_request(), text_request(1, 100)]
        streams = [
            text_request(seed, 400, model="charnn-shakespeare", stream=True) for seed in range(3)
        ]
        golden = ExpectedResponses()
        await golden.record(service, [*plain_requests, *streams])
        traffic = cls(service, golden, outcomes)
        for count, requests, new_connections in (
            (_KEEP_ALIVE_CLIENTS, plain_requests, False),
            (new_connection_clients, plain_requests, True),
            (_STREAMING_CLIENTS, streams, False),
        ):
            for index in range(count):
                client = traffic._run_client(
                    requests, random.Random(index), new_connections=new_connections
                )
                traffic._tasks.append(asyncio.create_task(client))
        return traffic

    def stop(self) -> None:
        self._stopped = True

    async def wait(self) -> None:
        await asyncio.gather(*self._tasks)

    async def _run_client(
        self, requests: list[HttpRequest], rng: random.Random, *, new_connections: bool
    ) -> None:
        while not self._stopped:
            try:
                async with Connection(self._service.port) as connection:
                    await self._use_connection(
                        connection, requests, rng, new_connections=new_connections
                    )
            except ConnectionRefusedError:
                self._outcomes["refused"] += 1
                return
            except OSError:
                self._outcomes["reset"] += 1

    async def _use_connection(
        self,
        connection: Connection,
        requests: list[HttpRequest],
        rng: random.Random,
        *,
        new_connections: bool,
    ) -> None:
        accepted = False
        while not self._stopped:
            request = rng.choice(requests)
            try:
                response = await connection.send(request, close=new_connections)
            except OSError:
                if not accepted:  # before its first response, the client cannot know whether it was
                    raise
                self._outcomes["lost"] += 1
                return
            accepted = True
            self._record(request, response)
            if response.closes_connection:
                return
            await asyncio.sleep(rng.choice((0, 0, 0.01)))

    def _record(self, request: HttpRequest, response: HttpResponse) -> None:
        correct = response.status == 200 and self._golden.matches(request, response)
        self._outcomes["right" if correct else "wrong"] += 1
