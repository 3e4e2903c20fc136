"""Static files, compressed for clients that accept it."""

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Receive, Scope, Send


class CompressedFiles(GZipMiddleware):
    """GZip, except over HTTP/1.0: the length of a compressed file is not known in advance."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("http_version") == "1.0":
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)
