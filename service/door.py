"""Refuses at the door what a full queue refuses anyway, for a small part of what that costs.

A request that goes through the application takes the processor for half a millisecond before a
queue can refuse it. When thousands a second are too many, they would take it from those that were
let in. So `connections.py` asks here, as soon as a request's head has been read.

What is refused here is counted and answered as the application would (the same body and headers);
but it is logged once a second with how many they were, it is not traced, and no key is looked at.
"""

import asyncio
import logging
import math
import time
from functools import lru_cache
from typing import NamedTuple

from starlette.types import Scope

from service.access.protection import protective
from service.errors import Overloaded, ServiceError
from service.handlers.v2_models import find
from service.problems import told
from service.scheduling.admission import Gate
from service.state import Running
from service.telemetry import REQUEST_ID_HEADER, request_id

__all__ = ["Door"]

_log = logging.getLogger("service.access")

_ID = REQUEST_ID_HEADER.lower().encode()
_MINE = b"{request id}"
_A_SECOND = 2200
"""Refused connections that are listened to again. Each refusal takes 0.1 to 0.2 ms of a core, the
kernel's part with it, so that all together take less than a half."""
_TURN_S = 0.04
"""Those whose time has come in between are listened to together: between two such turns a thread
that computes need not share the interpreter with refusals."""
_TIGHT_S = 1.0
"""After a queue was full, no more are let in at a time than it has places."""

_PICTURES = frozenset(
    {
        ("POST", "/v1/classify"), ("POST", "/v1/denoise"), ("POST", "/v1/compress"),
        ("POST", "/v1/decompress"), ("GET", "/v1/faces"), ("POST", "/v1/faces"),
        ("GET", "/v1/faces/morph"), ("POST", "/v1/faces/morph"), ("GET", "/v1/handwriting"),
    }
)  # fmt: skip
_TEXTS = frozenset({("POST", "/v1/text"), ("POST", "/openai/v1/completions")})


class _Queue:
    """One gate as it is seen from the door. All on the event loop."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self._let_in = 0
        self._tight_until = 0.0

    def is_tight(self, now: float) -> bool:
        """Whether it is full, or was lately."""
        if self.gate.room <= 0:
            self._tight_until = now + _TIGHT_S
        return now < self._tight_until

    def let_in(self) -> bool:
        """Whether there is a place for one more.

        Many heads are read in one turn of the event loop, and take their places in the next one.
        """
        if self.gate.room <= self._let_in:
            return False
        if not self._let_in:
            asyncio.get_running_loop().call_soon(self._next_turn)
        self._let_in += 1
        return True

    def _next_turn(self) -> None:
        self._let_in = 0


class _Form(NamedTuple):
    """An answer, but for the request's id."""

    headers: bytes
    body: bytes


class _Asked(NamedTuple):
    route: str
    """The template, as telemetry tells it."""
    queue: _Queue


class Door:
    """Called with a request's scope: None, or the header lines and the body of its 503.

    And for how many seconds its connection is not to be listened to then: who asks again at once,
    whatever `Retry-After` says, shall not take the processor from those who were let in.
    """

    def __init__(self, running: Running, report_s: float = 1.0) -> None:
        """`report_s` is between two lines of the log."""
        self._running = running
        self._report_s = report_s
        self._root_path = running.settings.root_path
        self._shared = bool(running.settings.cors_origins)
        # A flood asks for the same again and again.
        self._form = lru_cache(maxsize=256)(self._form_anew)
        self._pictures, self._texts = _Queue(running.pool.gate), _Queue(running.decoder.gate)
        self._unreported = 0
        self._listened_to = 0.0

    def __call__(self, scope: Scope) -> tuple[bytes, bytes, float] | None:
        start = time.monotonic()
        tight = [queue for queue in (self._pictures, self._texts) if queue.is_tight(start)]
        if not tight:
            return None
        asked = self._asked(scope["method"], scope["path"].removeprefix(self._root_path))
        if asked is None or asked.queue not in tight or asked.queue.let_in():
            return None
        if self._shared and any(name == b"origin" for name, _ in scope["headers"]):
            return None  # a page of another origin reads what CORS headers let it read
        headers, body = self._refuse(scope, asked.queue.gate.refuse())
        self._running.recorder.refused(asked.route, scope["method"], time.monotonic() - start)
        self._report_later()
        self._listened_to = max(self._listened_to, start) + 1 / _A_SECOND
        turn = math.ceil(self._listened_to / _TURN_S) * _TURN_S
        return headers, body, turn - start

    def _asked(self, method: str, path: str) -> _Asked | None:
        """What a request is for; None for all that needs no place, or is not known to."""
        if (method, path) in _PICTURES:
            return _Asked(path, self._pictures)
        if (method, path) in _TEXTS:
            return _Asked(path, self._texts)
        match method, path.split("/"):
            case "POST", ["", "v1", "models", _, "activations"]:
                return _Asked("/v1/models/{name}/activations", self._pictures)
            case "POST", ["", "v2", "models", model, "infer"]:
                return self._inferred("/v2/models/{model}/infer", model, None)
            case "POST", ["", "v2", "models", model, "versions", version, "infer"]:
                route = "/v2/models/{model}/versions/{version}/infer"
                return self._inferred(route, model, version)
        return None

    def _inferred(self, route: str, model: str, version: str | None) -> _Asked | None:
        try:
            found = find(self._running.registry.shelf, model, version)
        except ServiceError:  # what there is, the application tells
            return None
        return _Asked(route, self._pictures if found.graph else self._texts)

    def _refuse(self, scope: Scope, error: Overloaded) -> tuple[bytes, bytes]:
        form = self._form(scope["path"], scope["scheme"], error.detail, error.retry_after_s)
        mine = request_id(scope).encode()
        body = form.body.replace(_MINE, mine)
        return form.headers + b"content-length: %d\r\n%b: %b\r\n" % (len(body), _ID, mine), body

    def _form_anew(self, path: str, scheme: str, detail: str, retry_after_s: int) -> _Form:
        error = Overloaded(detail, retry_after_s=retry_after_s)
        body, media_type = told(error, path, self._root_path, _MINE.decode())
        headers = {
            "content-type": media_type,
            **error.headers,
            **protective(shared=self._shared, tls=scheme == "https"),
        }
        lines = "".join(f"{name.lower()}: {value}\r\n" for name, value in headers.items())
        return _Form(lines.encode(), body)

    def _report_later(self) -> None:
        if not self._unreported:
            asyncio.get_running_loop().call_later(self._report_s, self._report)
        self._unreported += 1

    def _report(self) -> None:
        fields = {"requests": self._unreported, "status": 503}
        self._unreported = 0
        _log.warning("refused at the door", extra={"fields": fields})
