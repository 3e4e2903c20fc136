"""Requests with the header `Upgrade`, which is ignored, as RFC 9110 (section 7.8) allows."""

import asyncio
import sys
from collections.abc import Callable
from functools import partial
from typing import cast

import httptools

from service.server.protocol.http_protocol import LimitedHttpProtocol
from service.server.protocol.limits import ConnectionLimits


def protocol_factory(limits: ConnectionLimits) -> Callable[..., asyncio.Protocol]:
    """Return a value for uvicorn's `http` option. It can be pickled for worker processes."""
    return partial(UpgradeIgnoringProtocol, limits=limits)


class UpgradeIgnoringProtocol(LimitedHttpProtocol):
    """Parses a request with `Upgrade` as if it had none.

    Behind the headers of such a request, httptools stops, and the body would be lost. Java's client
    asks for HTTP/2 in this way in each request, and so does `curl --http2`.
    """

    _parsed = _unparsed = memoryview(b"")

    def data_received(self, data: bytes) -> None:
        self._unparsed = memoryview(data)
        while self._unparsed:
            self._parsed, self._unparsed = self._unparsed, memoryview(b"")
            super().data_received(cast("bytes", self._parsed))
        self._parsed = self._unparsed

    @property
    def _is_upgrade(self) -> bool:
        # httptools reports CONNECT, a proxy's method, as an upgrade too.
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def on_headers_complete(self) -> None:
        if not self._is_upgrade:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        if not self._is_upgrade:
            super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """Parse the headers again without `Upgrade`. Uvicorn calls this as it handles the error."""
        error = cast("httptools.HttpParserUpgrade", sys.exc_info()[1])
        self._unparsed = self._parsed[error.args[0] :]
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        fields = (b"%b: %b\r\n" % field for field in self.headers if field[0] != b"upgrade")
        super().data_received(
            b"%b %b HTTP/%b\r\n%b\r\n" % (method, self.url, version, b"".join(fields))
        )
