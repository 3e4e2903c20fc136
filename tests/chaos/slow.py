"""Clients that send slowly, or nothing, or without end, or take no answer, beside one that asks.

    python -m tests.chaos slow

The service has its defaults. Of each kind there are 60 clients at the same time.
"""

import argparse
import asyncio
import contextlib
import socket
import time
from collections.abc import Coroutine
from pathlib import Path

from tests.chaos.http import Connection
from tests.chaos.questions import Golden, classify
from tests.chaos.report import Report, milliseconds, quantile
from tests.chaos.service_process import Service, serving
from tests.chaos.shelves import copy_shelf

__all__ = ["run"]

_EACH = 60
_HEAD = b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
_LARGE = _HEAD.replace(b"1000000", b"32000000")
_LONG = b"a: " + b"b" * 4000 + b"\r\n"
_KINDS: dict[str, tuple[bytes, bytes, float, float]] = {
    # what is sent first, then again and again, with which pause; at most how long it may last
    "silent from the start": (b"", b"", 1.0, 20.0),
    "half a request line, then silent": (b"GET /liv", b"", 1.0, 15.0),
    "a head, a byte a second": (b"GET /livez?", b"a", 1.0, 15.0),
    "headers without end, fast": (b"GET /livez HTTP/1.1\r\n", _LONG, 0.01, 5.0),
    "half a body, then silent": (_HEAD + b"x" * 1000, b"", 1.0, 45.0),
    "16 MB of a body, then silent": (_LARGE + b"x" * 16_000_000, b"", 1.0, 45.0),
    "a body, a byte a second": (_HEAD, b"x", 1.0, 45.0),
    "chunks without end, fast": (
        b"POST /v1/classify HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"4000\r\n" + b"x" * 0x4000 + b"\r\n", 0.05, 45.0,
    ),
    "a body that nobody asked for, without end": (
        b"GET /livez HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"4000\r\n" + b"x" * 0x4000 + b"\r\n", 0.05, 15.0,
    ),
}  # fmt: skip
_ESTABLISHED = 1
"""The first byte of Linux' tcp_info is the connection's state."""
_UNREAD = b"GET /docs/assets/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n" * 8


async def run(report: Report, folder: Path, options: argparse.Namespace) -> None:
    """All kinds at once."""
    shelf = copy_shelf(options.store, folder, ["resnet-cifar10"])
    question, golden = classify(), Golden()
    async with serving(shelf, folder, threads=1) as service:
        await golden.learn(service, [question])
        async with Connection(service.port) as one:
            before = [(await one.ask(question)).seconds for _ in range(200)]
            resting, memory, wrong, during = service.resident_mib, [0.0], 0, list[float]()
            attacks = asyncio.create_task(_attacks(service))
            while not attacks.done():
                answer = await one.ask(question)
                during.append(answer.seconds)
                wrong += answer.status != 200 or not golden.is_right(question, answer)
                memory.append(service.resident_mib)
                await asyncio.sleep(0.02)
        for kind, lasted, most in attacks.result():
            report.figure(kind, f"{_EACH} clients, cut off after {lasted:.1f} s at most")
            report.promise(f"within {most:g} s", lasted <= most)
        report.figure("another client before", milliseconds(before))
        report.figure("… and meanwhile", milliseconds(during))
        grown = max(memory) - resting
        report.figure("memory before, at most", f"{resting:.0f} MiB, {max(memory):.0f} MiB")
        report.promise("every answer to the other client is right", wrong == 0)
        report.promise("its p50 is under 3 × that before", _median(during) < 3 * _median(before))
        # DEEPSHELF_MAX_HELD_BYTES, twice: a body is joined out of its pieces.
        report.promise(f"memory grew by {grown:.0f} MiB, at most 512", grown <= 512)
        for reason in ("head-time", "head-size", "body-time", "stalled"):
            count = await service.metric("deepshelf_cut_off_total", reason=reason)
            report.figure(f"counted as {reason}", f"{count:.0f}")


def _median(values: list[float]) -> float:
    return quantile(values, 0.5)


async def _attacks(service: Service) -> list[tuple[str, float, float]]:
    """Of each kind: its name, the longest that one lasted, and what it may."""
    kinds = [
        _kind(name, [_send(service, begin, again, pause_s) for _ in range(_EACH)], most)
        for name, (begin, again, pause_s, most) in _KINDS.items()
    ]
    unread = [_take_nothing(service) for _ in range(_EACH)]
    kinds.append(_kind("answers that nobody takes", unread, 75.0))
    return list(await asyncio.gather(*kinds))


async def _kind(
    name: str, attacks: list[Coroutine[None, None, float]], most: float
) -> tuple[str, float, float]:
    return name, max(await asyncio.gather(*attacks)), most


async def _send(service: Service, begin: bytes, again: bytes, pause_s: float) -> float:
    """Seconds until the service ends the connection."""
    start = time.perf_counter()
    with contextlib.suppress(OSError):
        async with Connection(service.port) as connection:
            connection.writer.write(begin)
            ended = asyncio.create_task(_until_end(connection.reader))
            while not ended.done():
                if again and connection.writer.transport.get_write_buffer_size() < 1 << 20:
                    connection.writer.write(again)
                await asyncio.wait([ended], timeout=pause_s)
    return time.perf_counter() - start


async def _until_end(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(OSError):
        while await reader.read(65536):
            pass


async def _take_nothing(service: Service) -> float:
    start = time.perf_counter()
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", service.port))
        await loop.sock_sendall(client, _UNREAD)
        # What came is left where it is; that the connection is gone shows without reading.
        while client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO) & 0xFF == _ESTABLISHED:
            await asyncio.sleep(0.25)
    return time.perf_counter() - start
