"""Requests at 20 times the capacity of the service.

    python -m tests.chaos overload --seconds 60 --queue-size 32

The service has one worker, one thread and one model. The scenario measures its capacity (four
clients in a closed loop) and the latency of a single client, then sends requests at 20 times that
rate in an open loop over 400 connections, then measures the single client again. The load generator
shares the machine. To find what it leaves for the service, the same load goes to a server that
rejects everything (`reject_only_server.py`) while the model runs beside it. At last, the load is
repeated with a new connection for each request.
"""

import argparse
import asyncio
import time
from collections import deque
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from tests.chaos.http import Connection, HttpRequest, HttpResponse
from tests.chaos.load_result import LoadResult
from tests.chaos.report import Report, format_latencies, quantile
from tests.chaos.requests import ExpectedResponses, classify_request
from tests.chaos.service_process import Service, running_rejecting_server, running_service
from tests.chaos.stores import copy_store

_MODEL = "ensemble-cifar10"
_CONNECTIONS = 400
_SLACK = 2.0
"""Allowed ratio of an accepted request's p99 to its expected queueing time, because the load
generator, the rejections and the model share the cores."""
_MIN_THROUGHPUT_SHARE = 0.8
"""Required throughput of accepted requests, relative to what a reject-only server leaves."""
_MAX_REJECTION_S = 0.5
"""Allowed p99 of a rejection: its connection may be paused before it is read."""
_COMPARISON_S = 10


class _ReconnectingClient:
    """A client that opens a connection for each request."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send it on a new connection; its duration includes connecting."""
        start = time.perf_counter()
        async with Connection(self._port) as connection:
            response = await connection.send(request)
        return replace(response, seconds=time.perf_counter() - start)


async def run(report: Report, folder: Path, options: argparse.Namespace) -> None:
    """Measure before, during and after the overload, then with a deadline that most miss."""
    seconds, queue_size = options.seconds or 60, options.queue_size
    store = copy_store(options.store, folder, [_MODEL])
    request, expected = classify_request(_MODEL), ExpectedResponses()
    async with running_service(store, folder, threads=1, queue_size=queue_size) as service:
        await expected.record(service, [request])
        before = await _single_client_latencies(service, request, 150)
        capacity = await _measure_capacity(service, request)
        idle_mib = service.resident_mib
        report.record("one client", format_latencies(before))
        report.record("capacity, four clients", f"{capacity:.0f} requests/s")
        rate = options.times * capacity
        decoded = await _decoded_count(service)
        result = await _generate_load(service, request, expected, rate, seconds)
        decoded = await _decoded_count(service) - decoded
        _report_load(report, result, seconds, capacity)
        sent = result.sent / seconds
        available_per_s = await _throughput_beside_rejecting_server(
            report, folder, service, request, sent
        )
        await _load_on_new_connections(report, service, request, expected, rate)
        # Twice, because a machine is not equally quick all the time.
        available_per_s = (
            available_per_s
            + await _throughput_beside_rejecting_server(report, folder, service, request, sent)
        ) / 2
        after = await _single_client_latencies(service, request, 150)
        report.record("one client, afterwards", format_latencies(after))
        report.record(
            "memory before, at most, after",
            f"{idle_mib:.0f} MiB, {max(result.memory_mib):.0f} MiB, {service.resident_mib:.0f} MiB",
        )
        _check_expectations(
            report, result, queue_size, len(result.accepted) / seconds, available_per_s
        )
        growth_mib = max(result.memory_mib) - idle_mib
        report.expect(f"memory grew by {growth_mib:.0f} MiB, at most 64", growth_mib <= 64)
        report.expect("no rejected request was decoded", decoded == len(result.accepted))
        recovered = quantile(after, 0.5) <= 1.5 * quantile(before, 0.5)
        report.expect("afterwards it is as fast as before", recovered)
    await _check_deadlines(report, store, folder, request, expected, rate)


def _report_load(report: Report, result: LoadResult, seconds: float, capacity: float) -> None:
    rate = f"{result.sent / seconds:.0f}/s, {result.sent / seconds / capacity:.1f} × the capacity"
    unsent = f"{result.unsent:,} more were due"
    report.record(f"sent in {seconds:g} s", f"{result.sent:,} ({rate}); {unsent}")
    report.record("responses with 200", format_latencies(result.accepted))
    report.record("… after a rejection", format_latencies(result.accepted_after_pause))
    report.record("rejected with 503", format_latencies(result.rejected))
    cores = f"generator {result.generator_cores:.2f}, service {result.service_cores:.2f}"
    report.record("cores that were taken", cores)
    share = len(result.accepted) / seconds / capacity
    report.record("responses per second, of the capacity", f"{100 * share:.0f} %")


def _check_expectations(
    report: Report,
    result: LoadResult,
    queue_size: int,
    accepted_per_s: float,
    available_per_s: float,
) -> None:
    """Record the promises; `accepted_per_s` is a rate of requests, `available_per_s` its bound."""
    report.expect("no response was wrong", result.wrong == 0)
    report.expect(
        f"nothing but 200 and 503 {result.other[:3]}", not result.other + result.timed_out
    )
    report.expect("every rejection has Retry-After", result.missing_retry_after == 0)
    share = accepted_per_s / available_per_s
    description = (
        f"{100 * share:.0f} % of the available throughput is kept, "
        f"at least {100 * _MIN_THROUGHPUT_SHARE:.0f} %"
    )
    report.expect(description, share >= _MIN_THROUGHPUT_SHARE)
    bound = _SLACK * (queue_size + 1) / available_per_s
    unpaused_p99 = quantile(result.accepted_unpaused, 0.99)
    report.expect(
        f"p99 of admitted requests, {unpaused_p99:.2f} s, is under {_SLACK:g} × a full queue: "
        f"{bound:.2f} s",
        unpaused_p99 <= bound,
    )
    paused_p99 = quantile(result.accepted_after_pause, 0.99)
    bound += _MAX_REJECTION_S
    report.expect(
        f"p99 of those at once after a rejection, {paused_p99:.2f} s, is under {bound:.2f} s",
        paused_p99 <= bound,
    )
    rejected_p99 = quantile(result.rejected, 0.99)
    report.expect(
        f"p99 of a rejection, {1000 * rejected_p99:.0f} ms, is under {_MAX_REJECTION_S:g} s",
        rejected_p99 < _MAX_REJECTION_S,
    )


async def _single_client_latencies(
    service: Service, request: HttpRequest, times: int
) -> list[float]:
    async with Connection(service.port) as connection:
        return [(await connection.send(request)).seconds for _ in range(times)]


async def _measure_capacity(service: Service, request: HttpRequest) -> float:
    start = time.perf_counter()
    latencies = await asyncio.gather(
        *(_single_client_latencies(service, request, 60) for _ in range(4))
    )
    return sum(map(len, latencies)) / (time.perf_counter() - start)


async def _decoded_count(service: Service) -> float:
    return await service.metric("deepshelf_stage_seconds_count", stage="decode")


async def _generate_load(
    service: Service,
    request: HttpRequest,
    expected: ExpectedResponses,
    rate: float,
    seconds: float,
    *,
    new_connections: bool = False,
) -> LoadResult:
    """Send `rate` requests a second, independent of responses; with `anew`, each on a new one."""
    result, busy = LoadResult(), set[asyncio.Task[None]]()
    idle = deque[Connection | _ReconnectingClient]()
    rejected = set[Connection | _ReconnectingClient]()

    async def send_request(connection: Connection | _ReconnectingClient) -> None:
        response = await connection.send(request)
        result.record(request, response, expected, was_rejected=connection in rejected)
        (rejected.add if response.status == 503 else rejected.discard)(connection)
        idle.append(connection)

    async with AsyncExitStack() as stack:
        for _ in range(_CONNECTIONS):
            connection = Connection(service.port)
            idle.append(
                _ReconnectingClient(service.port)
                if new_connections
                else await stack.enter_async_context(connection)
            )
        start, sent, sampled_at = time.perf_counter(), 0, 0.0
        generator_start_s, service_start_s = time.process_time(), service.cpu_s
        while (now := time.perf_counter() - start) < seconds:
            due = int(now * rate)
            while sent + result.unsent < due:
                if not idle:
                    result.unsent = due - sent
                    break
                task = asyncio.create_task(send_request(idle.popleft()))
                busy.add(task)
                task.add_done_callback(busy.discard)
                sent += 1
            if now - sampled_at > 0.5:
                sampled_at = now
                result.memory_mib.append(service.resident_mib)
            await asyncio.sleep(0.001)
        result.generator_cores = (time.process_time() - generator_start_s) / now
        result.service_cores = (service.cpu_s - service_start_s) / now
        await asyncio.gather(*busy)
    return result


async def _throughput_beside_rejecting_server(
    report: Report, folder: Path, service: Service, request: HttpRequest, rate: float
) -> float:
    """Return responses per second while the same flood goes to a server that only rejects."""
    finished = asyncio.Event()

    async def send_request() -> int:
        count = 0
        async with Connection(service.port) as connection:
            while not finished.is_set():
                count += (await connection.send(request)).status == 200
        return count

    async with running_rejecting_server(folder) as server:
        clients = [asyncio.create_task(send_request()) for _ in range(16)]
        result = await _generate_load(server, request, ExpectedResponses(), rate, _COMPARISON_S)
        finished.set()
        available_per_s = sum(await asyncio.gather(*clients)) / _COMPARISON_S
    report.record("the same over a server that only rejects", format_latencies(result.rejected))
    cores = f"generator {result.generator_cores:.2f}, server {result.service_cores:.2f}"
    report.record("… cores that were taken", cores)
    report.record("… and responses per second beside it", f"{available_per_s:.0f}")
    return available_per_s


async def _load_on_new_connections(
    report: Report, service: Service, request: HttpRequest, golden: ExpectedResponses, rate: float
) -> None:
    """Repeat the overload with a new connection for each request."""
    result = await _generate_load(
        service, request, golden, rate, _COMPARISON_S, new_connections=True
    )
    report.record(
        "the same on new connections: responses with 200",
        f"{format_latencies(result.accepted)}, {len(result.accepted) / _COMPARISON_S:.0f} a second",
    )
    report.record(
        "… rejected with 503",
        f"{format_latencies(result.rejected)}, {len(result.rejected) / _COMPARISON_S:.0f} a second",
    )
    cores = f"generator {result.generator_cores:.2f}, service {result.service_cores:.2f}"
    report.record("… cores that were taken", cores)
    correct = result.wrong == 0 and not result.other + result.timed_out
    report.expect("only right responses and 503 there, too", correct)


async def _check_deadlines(
    report: Report,
    published_store: Path,
    folder: Path,
    request: HttpRequest,
    golden: ExpectedResponses,
    rate: float,
) -> None:
    """Make the queue so long that most requests exceed their deadline and get 504."""
    deadline = 0.5
    settings = {"threads": 1, "queue_size": 1000, "deadline_s": deadline}
    async with running_service(published_store, folder, **settings) as service:
        result = await _generate_load(service, request, golden, rate, 5.0)
        report.record(
            "with a deadline of 0.5 s and 1,000 places: 200", format_latencies(result.accepted)
        )
        report.record("… 504", format_latencies(result.timed_out))
        first = min(result.timed_out, default=0.0)
        # To the millisecond: that is how finely the event loop's clock counts.
        report.expect("none is given up before its deadline", first >= deadline - 0.002)
        last = quantile([*result.accepted, *result.timed_out], 0.99)
        report.expect(f"p99 of all is {last:.2f} s, within 2 × the deadline", last < 2 * deadline)
        report.expect("no response was wrong", result.wrong == 0)
        await asyncio.sleep(1)
        queued = await service.metric("deepshelf_queue_depth", queue="images")
        report.expect("nothing is left in the queue", queued == 0)
