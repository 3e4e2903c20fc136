"""The door: knows which requests need a place, and refuses those for which there is none.

What is refused here is counted and answered as the application would (the same body and headers);
but it is logged once a second with how many they were, it is not traced, and no key is looked at.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from starlette.types import Scope

from service.errors import Overloaded, ServiceError
from service.handlers.v2_models import find
from service.middleware.request_log import REQUEST_ID_HEADER, new_request_id, request_id
from service.middleware.security_headers import protective
from service.routes.http.problems import told
from service.scheduling.admission import AdmissionController
from service.server.load_shedding.fast_parse import plain
from service.server.load_shedding.resume_pacer import TURN_S, Turns
from service.state import Running

__all__ = ["Door", "Refusal"]

_log = logging.getLogger("service.access")

_ID = REQUEST_ID_HEADER.lower().encode()
_MINE = b"{request id}"
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

    def __init__(self, gate: AdmissionController) -> None:
        self.gate = gate
        self._let_in = 0
        self._tight_until = 0.0

    def is_tight(self, now: float) -> bool:
        """Whether it is full, or was lately."""
        if self.gate.room <= 0:
            self._tight_until = now + _TIGHT_S
        return now < self._tight_until

    def has_room(self, *, waited: bool) -> bool:
        """Whether there is a place for one more.

        Many heads are read in one turn of the event loop, and take their places in the next one.
        """
        gate = self.gate
        # Enough of those that waited for the queue not to run dry before the next turn of such.
        kept = gate.capacity - gate.begun_within(TURN_S) if waited else 0
        return gate.room - kept > self._let_in

    def let_in(self, *, waited: bool) -> bool:
        """Whether one more is let in."""
        if not self.has_room(waited=waited):
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


class Refusal(NamedTuple):
    """Of a 503, all behind its status line."""

    headers: bytes
    body: bytes


class Door:
    """Asked on the event loop, for each request as it comes.

    A request has `waited` if it came on a connection that was refused a moment ago, and that was
    not listened to since. Its client sees that wait and the queue's together. So the queue's end
    is kept for others: else those let in would not be answered in a full queue's time.
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
        self._turns = Turns()

    def look(self, scope: Scope, *, waited: bool = False) -> Refusal | None:
        """None lets a request in, whose head was read into `scope`."""
        start = time.monotonic()
        if not self._is_tight(start):
            return None
        asked = self._asked(scope["method"], scope["path"].removeprefix(self._root_path))
        if asked is None or not asked.queue.is_tight(start) or asked.queue.let_in(waited=waited):
            return None
        if self._shared and any(name == b"origin" for name, _ in scope["headers"]):
            return None  # a page of another origin reads what CORS headers let it read
        return self._refuse(asked, scope["method"], scope["path"], scope["scheme"], scope, start)

    def glance(self, data: bytes, scheme: str, *, waited: bool = False) -> Refusal | None:
        """The refusal of all that came on a connection on which nothing was under way.

        None where that is not one plain request, or it may be let in: `look` decides then.
        """
        start = time.monotonic()
        if not self._is_tight(start):
            return None
        request = plain(data)
        asked = self._asked(*request) if request else None
        if not request or asked is None or not asked.queue.is_tight(start):
            return None
        if asked.queue.has_room(waited=waited):
            return None
        path = self._root_path + request.path
        return self._refuse(asked, request.method, path, scheme, None, start)

    def listen_later(self, listen: Callable[[], None]) -> None:
        """Call `listen` when it is the turn of a connection that was refused now."""
        self._turns.wait(listen)

    def _is_tight(self, now: float) -> bool:
        return self._pictures.is_tight(now) or self._texts.is_tight(now)

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

    def _refuse(
        self, asked: _Asked, method: str, path: str, scheme: str, scope: Scope | None, start: float
    ) -> Refusal:
        error = asked.queue.gate.refuse()
        form = self._form(path, scheme, error.detail, error.retry_after_s)
        mine = (request_id(scope) if scope else new_request_id()).encode()
        body = form.body.replace(_MINE, mine)
        headers = form.headers + b"content-length: %d\r\n%b: %b\r\n" % (len(body), _ID, mine)
        self._running.recorder.refused(asked.route, method, time.monotonic() - start)
        self._report_later()
        return Refusal(headers, body)

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
