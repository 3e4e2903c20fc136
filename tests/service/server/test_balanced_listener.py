"""Workers that take connections in turns."""

import asyncio
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from service.server.workers.connection_counts import SharedConnectionCounts

uvloop = pytest.importorskip("uvloop")


class Counting(asyncio.Protocol):
    """A connection that its worker is told of, as the service's are."""

    def __init__(self, crowd: SharedConnectionCounts, there: set[asyncio.Protocol]) -> None:
        self._crowd, self._there = crowd, there

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        del transport
        self._there.add(self)
        self._crowd.set_connections(len(self._there))

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._there.discard(self)
        self._crowd.set_connections(len(self._there))


class Worker:
    """Listens on a copy of `sock`."""

    def __init__(self, folder: Path, sock: socket.socket) -> None:
        from service.server.workers.balanced_listener import BalancedListener

        self.crowd, self.there = SharedConnectionCounts(folder), set[asyncio.Protocol]()
        self._socket = sock.dup()
        loop = asyncio.get_running_loop()
        self._listener = BalancedListener(
            loop, lambda: Counting(self.crowd, self.there), self._socket, self.crowd
        )

    def close(self) -> None:
        self._listener.close()
        self._socket.close()


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


async def _until(workers: list[Worker], connections: int) -> None:
    async with asyncio.timeout(20):
        while sum(len(worker.there) for worker in workers) != connections:
            await asyncio.sleep(0.001)


def test_connections_go_to_whoever_has_the_fewest(tmp_path: Path, listening: socket.socket) -> None:
    async def serve() -> None:
        address = listening.getsockname()
        with ExitStack() as stack:
            workers = [stack.enter_context(closing(Worker(tmp_path, listening)))]
            clients = [socket.create_connection(address) for _ in range(6)]
            await _until(workers, 6)
            workers.append(stack.enter_context(closing(Worker(tmp_path, listening))))
            clients += [socket.create_connection(address) for _ in range(6)]
            await _until(workers, 12)
            shares = [len(worker.there) for worker in workers]
            for client in clients:
                client.close()
            await _until(workers, 0)
        # One that is being made may be counted twice for a moment.
        assert 6 <= shares[0] <= 7

    uvloop.run(serve())


def test_whoever_does_not_look_is_not_waited_for(tmp_path: Path, listening: socket.socket) -> None:
    async def serve() -> None:
        idle = SharedConnectionCounts(tmp_path)
        idle.register()
        with closing(Worker(tmp_path, listening)) as worker:
            clients = [socket.create_connection(listening.getsockname()) for _ in range(4)]
            await _until([worker], 4)
        for client in clients:
            client.close()
        await _until([worker], 0)

    uvloop.run(serve())


def test_only_workers_that_listen_are_counted(tmp_path: Path) -> None:
    first, second = SharedConnectionCounts(tmp_path), SharedConnectionCounts(tmp_path)
    assert not first.has_more_than_another()
    first.register()
    first.set_connections(2)
    assert not first.has_more_than_another()
    second.register()
    assert first.has_more_than_another()
    assert not second.has_more_than_another()
    second.set_connections(2)
    assert not first.has_more_than_another()
    second.set_connections(1)
    second.unregister()
    assert not first.has_more_than_another()


def test_a_worker_that_died_leaves_its_place(tmp_path: Path) -> None:
    crowd = SharedConnectionCounts(tmp_path)
    crowd.register()
    crowd.set_connections(1)
    join = (
        "import sys; from pathlib import Path; "
        "from service.server.workers.connection_counts import SharedConnectionCounts; "
        "crowd = SharedConnectionCounts(Path(sys.argv[1])); crowd.register(); "
        "crowd.set_connections(0)"
    )
    for _ in range(2):  # the second one takes the first one's slot
        subprocess.run([sys.executable, "-c", join, str(tmp_path)], check=True, timeout=60)
    assert not crowd.has_more_than_another()
    slots = struct.iter_unpack("qq", (tmp_path / "connections").read_bytes())
    assert sum(pid != 0 for pid, _ in slots) == 2
