"""A minimal HTTP/1.1 client: thousands of requests a second, and it can stop at any byte."""

import asyncio
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self


@dataclass(frozen=True)
class HttpRequest:
    """A request to send as bytes."""

    name: str
    path: str
    body: bytes = b""
    content_type: str = "application/octet-stream"
    accept: str = "*/*"
    method: str = "POST"
    key: str = ""

    def encode(self, *, close: bool = False) -> bytes:
        """Return the request as bytes."""
        head = f"{self.method} {self.path} HTTP/1.1\r\nHost: x\r\nAccept: {self.accept}\r\n"
        if self.key:
            head += f"X-API-Key: {self.key}\r\n"
        if self.method == "POST":
            head += f"Content-Type: {self.content_type}\r\nContent-Length: {len(self.body)}\r\n"
        head += "Connection: close\r\n\r\n" if close else "\r\n"
        return head.encode() + self.body


@dataclass(frozen=True)
class HttpResponse:
    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float
    """Duration from the first byte of the request to the last of the response."""
    sent_at: float = field(compare=False, default=0.0)

    @property
    def closes_connection(self) -> bool:
        return self.headers.get("connection") == "close"


class Connection:
    """One connection. Every failure is an OSError (a connection that ends early is one too)."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.writer.close()

    async def send(self, request: HttpRequest, *, close: bool = False) -> HttpResponse:
        """Send it and read the response."""
        start = time.perf_counter()
        self.writer.write(request.encode(close=close))
        status, headers = await self.read_head()
        body = await self.read_body(headers)
        return HttpResponse(status, headers, body, time.perf_counter() - start, start)

    async def read_head(self) -> tuple[int, dict[str, str]]:
        """Read the status and the headers of a response."""
        try:
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError as error:
            raise ConnectionResetError(f"it ended after {len(error.partial)} bytes") from None
        first, *lines = head[:-4].split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}

    async def read_body(self, headers: dict[str, str]) -> bytes:
        """Read the body of a response."""
        if headers.get("transfer-encoding") == "chunked":
            chunks = []
            while chunk := await self.read_chunk():
                chunks.append(chunk)
            return b"".join(chunks)
        return await self._read_exactly(int(headers.get("content-length", 0)))

    async def read_chunk(self) -> bytes:
        """Return the next chunk; empty at the end."""
        try:
            size = int(await self.reader.readuntil(b"\r\n"), 16)
        except asyncio.IncompleteReadError:
            raise ConnectionResetError("the connection ended within a response") from None
        return (await self._read_exactly(size + 2))[:-2]

    async def _read_exactly(self, size: int) -> bytes:
        try:
            return await self.reader.readexactly(size)
        except asyncio.IncompleteReadError:
            raise ConnectionResetError("the connection ended within a response") from None
