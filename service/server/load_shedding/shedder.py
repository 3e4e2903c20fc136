"""The door: knows which requests need a place, and refuses those for which there is none.

What is refused here is counted and answered as the application would (the same body and headers);
but it is logged once a second with how many they were, it is not traced, and no key is looked at.
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
from service.handlers.v2_models import resolve_target
from service.middleware.request_log import REQUEST_ID_HEADER, new_request_id, request_id
from service.middleware.security_headers import security_headers
from service.routes.http.problems import render_error
from service.routes.http.queued import get_queue
from service.scheduling.admission import AdmissionController
from service.server.load_shedding.fast_parse import parse_simple_request
from service.server.load_shedding.resume_pacer import RESUME_INTERVAL_S, ResumePacer
from service.state import AppState

__all__ = ["LoadShedder", "Rejection"]

_log = logging.getLogger("service.access")

_REQUEST_ID_HEADER = REQUEST_ID_HEADER.lower().encode()
_REQUEST_ID_PLACEHOLDER = b"{request id}"
_SATURATION_HOLD_S = 1.0
"""After a queue was full, no more are let in at a time than it has places."""


class _QueueView:
    """One gate as it is seen from the door. All on the event loop."""

    def __init__(self, admission: AdmissionController) -> None:
        self.admission = admission
        self._admitted_this_turn = 0
        self._saturated_until = 0.0

    def is_saturated(self, now: float) -> bool:
        """Whether it is full, or was lately."""
        if self.admission.room <= 0:
            self._saturated_until = now + _SATURATION_HOLD_S
        return now < self._saturated_until

    def has_capacity(self, *, waited: bool) -> bool:
        """Whether there is a place for one more.

        Many heads are read in one turn of the event loop, and take their places in the next one.
        """
        admission = self.admission
        # Enough of those that waited for the queue not to run dry before the next turn of such.
        reserved = admission.capacity - admission.begun_within(RESUME_INTERVAL_S) if waited else 0
        return admission.room - reserved > self._admitted_this_turn

    def try_admit(self, *, waited: bool) -> bool:
        """Whether one more is let in."""
        if not self.has_capacity(waited=waited):
            return False
        if not self._admitted_this_turn:
            asyncio.get_running_loop().call_soon(self._reset_turn)
        self._admitted_this_turn += 1
        return True

    def _reset_turn(self) -> None:
        self._admitted_this_turn = 0


class _ResponseTemplate(NamedTuple):
    """An answer, but for the request's id."""

    headers: bytes
    body: bytes


class _Target(NamedTuple):
    route: str
    """The template, as telemetry tells it."""
    queue: _QueueView


class Rejection(NamedTuple):
    """Of a 503, all behind its status line."""

    headers: bytes
    body: bytes


class LoadShedder:
    """Asked on the event loop, for each request as it comes.

    A request has `waited` if it came on a connection that was refused a moment ago, and that was
    not listened to since. Its client sees that wait and the queue's together. So the queue's end
    is kept for others: else those let in would not be answered in a full queue's time.
    """

    def __init__(self, state: AppState, routes: Iterable[BaseRoute], report_s: float = 1.0) -> None:
        """Know which of `routes` are `queued`. `report_s` is the time between two log lines."""
        self._queued_routes = [
            route for route in routes if isinstance(route, APIRoute) and get_queue(route)
        ]
        self._state = state
        self._report_s = report_s
        self._root_path = state.settings.root_path
        self._cross_origin = bool(state.settings.cors_origins)
        # A flood asks for the same again and again.
        self._template = lru_cache(maxsize=256)(self._build_template)
        self._image_queue, self._generation_queue = (
            _QueueView(state.pool.admission),
            _QueueView(state.scheduler.admission),
        )
        self._unreported = 0
        self._resume_pacer = ResumePacer()

    def check_request(self, scope: Scope, *, waited: bool = False) -> Rejection | None:
        """None lets a request in, whose head was read into `scope`."""
        start = time.monotonic()
        if not self._is_saturated(start):
            return None
        target = self._target_for(scope["method"], scope["path"].removeprefix(self._root_path))
        if (
            target is None
            or not target.queue.is_saturated(start)
            or target.queue.try_admit(waited=waited)
        ):
            return None
        if self._cross_origin and any(name == b"origin" for name, _ in scope["headers"]):
            return None  # a page of another origin reads what CORS headers let it read
        return self._reject(target, scope["method"], scope["path"], scope["scheme"], scope, start)

    def check_raw(self, data: bytes, scheme: str, *, waited: bool = False) -> Rejection | None:
        """The refusal of all that came on a connection on which nothing was under way.

        None where that is not one plain request, or it may be let in: `look` decides then.
        """
        start = time.monotonic()
        if not self._is_saturated(start):
            return None
        request = parse_simple_request(data)
        target = self._target_for(*request) if request else None
        if not request or target is None or not target.queue.is_saturated(start):
            return None
        if target.queue.has_capacity(waited=waited):
            return None
        path = self._root_path + request.path
        return self._reject(target, request.method, path, scheme, None, start)

    def schedule_resume(self, resume: Callable[[], None]) -> None:
        """Call `resume` when it is the turn of a connection that was refused now."""
        self._resume_pacer.schedule(resume)

    def _is_saturated(self, now: float) -> bool:
        return self._image_queue.is_saturated(now) or self._generation_queue.is_saturated(now)

    def _target_for(self, method: str, path: str) -> _Target | None:
        """Return what the request waits for; None if it needs no queue, or none is known."""
        for route in self._queued_routes:
            if method in (route.methods or ()) and (match := route.path_regex.fullmatch(path)):
                queue = self._queue_for(route, match.groupdict())
                return _Target(route.path, queue) if queue else None
        return None

    def _queue_for(self, route: APIRoute, path_params: Mapping[str, str]) -> _QueueView | None:
        match get_queue(route):
            case "images":
                return self._image_queue
            case "texts":
                return self._generation_queue
        try:
            target = resolve_target(
                self._state.registry.catalog, path_params["model"], path_params.get("version")
            )
        except ServiceError:  # the application responds with the error
            return None
        return self._image_queue if target.graph else self._generation_queue

    def _reject(
        self,
        target: _Target,
        method: str,
        path: str,
        scheme: str,
        scope: Scope | None,
        start: float,
    ) -> Rejection:
        error = target.queue.admission.refuse()
        template = self._template(path, scheme, error.detail, error.retry_after_s)
        own_id = (request_id(scope) if scope else new_request_id()).encode()
        body = template.body.replace(_REQUEST_ID_PLACEHOLDER, own_id)
        headers = template.headers + b"content-length: %d\r\n%b: %b\r\n" % (
            len(body),
            _REQUEST_ID_HEADER,
            own_id,
        )
        self._state.recorder.rejected(target.route, method, time.monotonic() - start)
        self._schedule_report()
        return Rejection(headers, body)

    def _build_template(
        self, path: str, scheme: str, detail: str, retry_after_s: int
    ) -> _ResponseTemplate:
        error = Overloaded(detail, retry_after_s=retry_after_s)
        body, media_type = render_error(
            error, path, self._root_path, _REQUEST_ID_PLACEHOLDER.decode()
        )
        headers = {
            "content-type": media_type,
            **error.headers,
            **security_headers(cross_origin=self._cross_origin, tls=scheme == "https"),
        }
        lines = "".join(f"{name.lower()}: {value}\r\n" for name, value in headers.items())
        return _ResponseTemplate(lines.encode(), body)

    def _schedule_report(self) -> None:
        if not self._unreported:
            asyncio.get_running_loop().call_later(self._report_s, self._report)
        self._unreported += 1

    def _report(self) -> None:
        fields = {"requests": self._unreported, "status": 503}
        self._unreported = 0
        _log.warning("requests shed", extra={"fields": fields})
