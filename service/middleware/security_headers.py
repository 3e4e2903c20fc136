"""Headers that every answer has, so that a browser does no more with it than is meant.

A route that says something else about itself is left alone: pages have policies of their own.
"""

from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["ProtectiveHeaders", "protective"]

_ALWAYS = {
    # What an answer is, its type says: a picture that begins like a script is no script.
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "SAMEORIGIN",
    "Cross-Origin-Opener-Policy": "same-origin",
    # The page takes pictures with the camera; nobody else may, nor anything else.
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
    # An answer that is opened as a page, such as a picture, can do nothing at all.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "frame-ancestors 'none'; sandbox",
}
_SAME_ORIGIN = {"Cross-Origin-Resource-Policy": "same-origin"}
_OVER_TLS = {"Strict-Transport-Security": "max-age=31536000"}


class ProtectiveHeaders:
    """Pure ASGI, outermost of all: also the answers to errors pass here."""

    def __init__(self, app: ASGIApp, *, shared: bool) -> None:
        """`shared`: pages of other origins are allowed to use answers (see CORS)."""
        self._app = app
        # As ASGI sends them, made once: to set each on every answer takes 30 µs.
        self._plain = _raw(protective(shared=shared, tls=False))
        self._tls = _raw(protective(shared=shared, tls=True))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        needed = self._tls if scope.get("scheme") == "https" else self._plain

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                said = {name.lower() for name, _ in message["headers"]}
                missing = [pair for pair in needed if pair[0] not in said]
                message["headers"] = [*message["headers"], *missing]
            await send(message)

        await self._app(scope, receive, protected)


def protective(*, shared: bool, tls: bool) -> Mapping[str, str]:
    """What every answer has; `shared` as above."""
    return {**_ALWAYS, **({} if shared else _SAME_ORIGIN), **(_OVER_TLS if tls else {})}


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
