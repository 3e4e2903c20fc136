"""Rejects requests for a full queue before the application sees them.

A rejection here is counted and has the body and headers that the application would send. It is
logged in total, once a second; it is not traced, and no API key is checked.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.types import Scope

from service.errors import Overloaded, ServiceError
from service.middleware.security_headers import security_headers
from service.observability.request_log import REQUEST_ID_HEADER, request_id
from service.routes.http.problems import render_error
from service.routes.http.queued import get_queue
from service.routes.v2.target import resolve_target
from service.scheduling.admission import AdmissionController
from service.server.load_shedding.resume_pacer import RESUME_INTERVAL_S, ResumePacer
from service.state import AppState

_log = logging.getLogger("service.access")

_REQUEST_ID_HEADER = REQUEST_ID_HEADER.lower().encode()
_REQUEST_ID_PLACEHOLDER = b"{request id}"
_SATURATION_HOLD_S = 1.0
"""For this long after a queue was full, the requests admitted in one turn of the event loop are
counted, because they enter the queue only in the next one."""


class _QueueView:
    """One queue, as load shedding sees it. Used by the event loop's thread only."""

    def __init__(self, admission: AdmissionController) -> None:
        self.admission = admission
        self._admitted_this_turn = 0
        self._saturated_until = 0.0

    def is_saturated(self, now: float) -> bool:
        """Return whether the queue is full, or was in the last second."""
        if self.admission.available <= 0:
            self._saturated_until = now + _SATURATION_HOLD_S
        return now < self._saturated_until

    def try_admit(self, *, waited: bool) -> bool:
        """Return whether the queue takes one more request, and count it if so."""
        admission = self.admission
        # Admit as many paused connections as the queue works off until the next ones are resumed.
        reserved = (
            admission.capacity - admission.expected_starts_within(RESUME_INTERVAL_S)
            if waited
            else 0
        )
        if admission.available - reserved <= self._admitted_this_turn:
            return False
        if not self._admitted_this_turn:
            asyncio.get_running_loop().call_soon(self._reset_turn)
        self._admitted_this_turn += 1
        return True

    def _reset_turn(self) -> None:
        self._admitted_this_turn = 0


class _MatchedRoute(NamedTuple):
    path: str
    """The template, as metrics name it."""
    queue: _QueueView


class Rejection(NamedTuple):
    """A 503 response without its status line."""

    headers: bytes
    body: bytes


class LoadShedder:
    """Checks each request as soon as its headers are parsed. Used by the event loop's thread only.

    `waited` marks a request whose connection was rejected and paused a moment ago. Its client has
    already spent the pause, so the tail of the queue is reserved for new arrivals; otherwise
    admitted requests would take longer than a full queue allows.
    """

    def __init__(self, state: AppState, routes: Iterable[BaseRoute], report_s: float = 1.0) -> None:
        """Check requests for those of `routes` that are `queued`.

        `report_s` is the time between two log lines.
        """
        self._queued_routes = [
            route for route in routes if isinstance(route, APIRoute) and get_queue(route)
        ]
        self._state = state
        self._report_s = report_s
        self._root_path = state.settings.root_path
        self._cross_origin = bool(state.settings.cors_origins)
        self._template = lru_cache(maxsize=256)(self._build_template)
        self._image_queue = _QueueView(state.pool.admission)
        self._generation_queue = _QueueView(state.scheduler.admission)
        self._unreported = 0
        self._resume_pacer = ResumePacer()

    def check_request(self, scope: Scope, *, waited: bool = False) -> Rejection | None:
        """Return None to admit the request of `scope`, or the response that rejects it."""
        start = time.monotonic()
        if not (
            self._image_queue.is_saturated(start) or self._generation_queue.is_saturated(start)
        ):
            return None
        route = self._match(scope["method"], scope["path"].removeprefix(self._root_path))
        if route is None or not route.queue.is_saturated(start):
            return None
        if route.queue.try_admit(waited=waited):
            return None
        if self._cross_origin and any(name == b"origin" for name, _ in scope["headers"]):
            return None  # the application adds the CORS headers without which no page can read it
        return self._reject(route, scope, start)

    def schedule_resume(self, resume: Callable[[], None]) -> None:
        """Call `resume` when a connection that is rejected now may be read again."""
        self._resume_pacer.schedule(resume)

    def _match(self, method: str, path: str) -> _MatchedRoute | None:
        """Return the queued route of a request; None if it needs no queue, or none is known."""
        for route in self._queued_routes:
            if method in (route.methods or ()) and (match := route.path_regex.fullmatch(path)):
                queue = self._queue_for(route, match.groupdict())
                return _MatchedRoute(route.path, queue) if queue else None
        return None

    def _queue_for(self, route: APIRoute, path_params: Mapping[str, str]) -> _QueueView | None:
        match get_queue(route):
            case "images":
                return self._image_queue
            case "texts":
                return self._generation_queue
        model, version = path_params["model"], path_params.get("version")
        try:
            target = resolve_target(self._state.registry.catalog, model, version)
        except ServiceError:  # the application responds with the error
            return None
        return self._image_queue if target.graph else self._generation_queue

    def _reject(self, route: _MatchedRoute, scope: Scope, start: float) -> Rejection:
        error = route.queue.admission.reject()
        template = self._template(scope["path"], scope["scheme"], error.detail, error.retry_after_s)
        own_id = request_id(scope).encode()
        body = template.body.replace(_REQUEST_ID_PLACEHOLDER, own_id)
        headers = template.headers + b"content-length: %d\r\n%b: %b\r\n" % (
            len(body),
            _REQUEST_ID_HEADER,
            own_id,
        )
        self._state.recorder.rejected(route.path, scope["method"], time.monotonic() - start)
        self._schedule_report()
        return Rejection(headers, body)

    def _build_template(self, path: str, scheme: str, detail: str, retry_after_s: int) -> Rejection:
        """Return the response with a placeholder for the request's id."""
        error = Overloaded(detail, retry_after_s=retry_after_s)
        placeholder = _REQUEST_ID_PLACEHOLDER.decode()
        _, body, media_type = render_error(error, path, self._root_path, placeholder)
        headers = {
            "content-type": media_type,
            **error.headers,
            **security_headers(cross_origin=self._cross_origin, tls=scheme == "https"),
        }
        lines = "".join(f"{name.lower()}: {value}\r\n" for name, value in headers.items())
        return Rejection(lines.encode(), body)

    def _schedule_report(self) -> None:
        if not self._unreported:
            asyncio.get_running_loop().call_later(self._report_s, self._report)
        self._unreported += 1

    def _report(self) -> None:
        fields = {"requests": self._unreported, "status": 503}
        self._unreported = 0
        _log.warning("requests shed", extra={"fields": fields})
