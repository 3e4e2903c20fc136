"""ASGI middleware that adds security headers to every response.

A header that the route has set is kept: the pages have content security policies of their own.
"""

from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_BASE_HEADERS = {
    # Browsers must not guess another type, such as a script's, from the content of an image.
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "SAMEORIGIN",
    "Cross-Origin-Opener-Policy": "same-origin",
    # The playground takes photos with the camera; everything else is off.
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
    # A response that is opened as a page, such as an image, can load and run nothing.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "frame-ancestors 'none'; sandbox",
}
_SAME_ORIGIN = {"Cross-Origin-Resource-Policy": "same-origin"}
_HSTS = {"Strict-Transport-Security": "max-age=31536000"}


class SecurityHeadersMiddleware:
    """The outermost middleware, so that error responses get the headers too."""

    def __init__(self, app: ASGIApp, *, cross_origin: bool) -> None:
        """`cross_origin` allows pages of other origins to use responses (see CORS)."""
        self._app = app
        # Encoded once: to set each header on every response takes 30 µs.
        self._http_headers = _encode_headers(security_headers(cross_origin=cross_origin, tls=False))
        self._https_headers = _encode_headers(security_headers(cross_origin=cross_origin, tls=True))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        required = self._https_headers if scope.get("scheme") == "https" else self._http_headers

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                missing = [pair for pair in required if pair[0] not in present]
                message["headers"] = [*message["headers"], *missing]
            await send(message)

        await self._app(scope, receive, send_with_headers)


def security_headers(*, cross_origin: bool, tls: bool) -> Mapping[str, str]:
    """Return the security headers of every response."""
    return {**_BASE_HEADERS, **({} if cross_origin else _SAME_ORIGIN), **(_HSTS if tls else {})}


def _encode_headers(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
