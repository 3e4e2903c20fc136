"""Attack with slow, silent and endless clients while a normal client sends requests.

    python -m tests.chaos slow

The service runs with its defaults. There are 60 concurrent clients of each kind.
"""

import argparse
import asyncio
import contextlib
import socket
import time
from collections.abc import Coroutine
from pathlib import Path

from tests.chaos.http import Connection
from tests.chaos.report import Report, format_latencies, quantile
from tests.chaos.requests import ExpectedResponses, classify_request
from tests.chaos.service_process import Service, running_service
from tests.chaos.stores import copy_store

_CLIENTS_PER_ATTACK = 60
_HEADER = b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
_LARGE_HEADER = _HEADER.replace(b"1000000", b"32000000")
_LONG_HEADER_LINE = b"a: " + b"b" * 4000 + b"\r\n"
_ATTACKS: dict[str, tuple[bytes, bytes, float, float]] = {
    # first bytes, repeated bytes, pause between repetitions (s), longest allowed connection (s)
    "silent from the start": (b"", b"", 1.0, 20.0),
    "half a request line, then silent": (b"GET /liv", b"", 1.0, 15.0),
    "a header, a byte a second": (b"GET /livez?", b"a", 1.0, 15.0),
    "headers without end, fast": (b"GET /livez HTTP/1.1\r\n", _LONG_HEADER_LINE, 0.01, 5.0),
    "half a body, then silent": (_HEADER + b"x" * 1000, b"", 1.0, 45.0),
    "16 MB of a body, then silent": (_LARGE_HEADER + b"x" * 16_000_000, b"", 1.0, 45.0),
    "a body, a byte a second": (_HEADER, b"x", 1.0, 45.0),
    "chunks without end, fast": (
        b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"4000\r\n" + b"x" * 0x4000 + b"\r\n", 0.05, 45.0,
    ),
    "an endless body on a route that takes none": (
        b"GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"4000\r\n" + b"x" * 0x4000 + b"\r\n", 0.05, 15.0,
    ),
}  # fmt: skip
_ESTABLISHED = 1
"""The first byte of Linux' tcp_info is the connection's state."""
_UNREAD_REQUESTS = b"GET /docs/assets/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n" * 8


async def run(report: Report, folder: Path, options: argparse.Namespace) -> None:
    """Run all attacks at once."""
    store = copy_store(options.store, folder, ["resnet-cifar10"])
    request, expected = classify_request(), ExpectedResponses()
    async with running_service(store, folder, threads=1) as service:
        await expected.record(service, [request])
        async with Connection(service.port) as connection:
            before = [(await connection.send(request)).seconds for _ in range(200)]
            idle_mib, memory, wrong, during = service.resident_mib, [0.0], 0, list[float]()
            attacks = asyncio.create_task(_run_attacks(service))
            while not attacks.done():
                response = await connection.send(request)
                during.append(response.seconds)
                wrong += response.status != 200 or not expected.matches(request, response)
                memory.append(service.resident_mib)
                await asyncio.sleep(0.02)
        for kind, duration_s, max_s in attacks.result():
            report.record(
                kind, f"{_CLIENTS_PER_ATTACK} clients, cut off after {duration_s:.1f} s at most"
            )
            report.expect(f"within {max_s:g} s", duration_s <= max_s)
        report.record("another client before", format_latencies(before))
        report.record("… and meanwhile", format_latencies(during))
        growth_mib = max(memory) - idle_mib
        report.record("memory before, at most", f"{idle_mib:.0f} MiB, {max(memory):.0f} MiB")
        report.expect("every response to the other client is correct", wrong == 0)
        report.expect("its p50 is under 3 × that before", _median(during) < 3 * _median(before))
        # Twice DEEPSHELF_MAX_BUFFERED_BODY_BYTES, because a body is joined from its chunks.
        report.expect(f"memory grew by {growth_mib:.0f} MiB, at most 512", growth_mib <= 512)
        for reason in ("head-time", "head-size", "body-time", "stalled"):
            count = await service.metric("deepshelf_connections_dropped_total", reason=reason)
            report.record(f"counted as {reason}", f"{count:.0f}")


def _median(values: list[float]) -> float:
    return quantile(values, 0.5)


async def _run_attacks(service: Service) -> list[tuple[str, float, float]]:
    """Return each attack's name, its longest connection and the allowed duration, in seconds."""
    groups = [
        _run_attack(
            name,
            [
                _send_slowly(service, first_bytes, repeated_bytes, pause_s)
                for _ in range(_CLIENTS_PER_ATTACK)
            ],
            max_s,
        )
        for name, (first_bytes, repeated_bytes, pause_s, max_s) in _ATTACKS.items()
    ]
    for name, read_bytes in (("not read", 0), ("read at 4 bytes a second", 1)):
        unread = [_hardly_read(service, read_bytes) for _ in range(_CLIENTS_PER_ATTACK)]
        groups.append(_run_attack(f"responses that are {name}", unread, 75.0))
    return list(await asyncio.gather(*groups))


async def _run_attack(
    name: str, attacks: list[Coroutine[None, None, float]], max_s: float
) -> tuple[str, float, float]:
    return name, max(await asyncio.gather(*attacks)), max_s


async def _send_slowly(
    service: Service, first_bytes: bytes, repeated_bytes: bytes, pause_s: float
) -> float:
    """Return the seconds until the service closes the connection."""
    start = time.perf_counter()
    with contextlib.suppress(OSError):
        async with Connection(service.port) as connection:
            connection.writer.write(first_bytes)
            disconnected = asyncio.create_task(_read_until_end(connection.reader))
            while not (disconnected.done() or connection.writer.is_closing()):
                if repeated_bytes and connection.writer.transport.get_write_buffer_size() < 1 << 20:
                    connection.writer.write(repeated_bytes)
                await asyncio.wait([disconnected], timeout=pause_s)
    return time.perf_counter() - start


async def _read_until_end(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(OSError):
        while await reader.read(65536):
            pass


async def _hardly_read(service: Service, read_bytes: int) -> float:
    start = time.perf_counter()
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", service.port))
        await loop.sock_sendall(client, _UNREAD_REQUESTS)
        await loop.sock_recv(client, 1)
        # TCP_INFO reports whether the connection is open without reading the response.
        while client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO) & 0xFF == _ESTABLISHED:
            client.recv(read_bytes)
            await asyncio.sleep(0.25)
    return time.perf_counter() - start
