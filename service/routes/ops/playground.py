"""The playground at `/`: the files of `service/page`, unchanged."""

import hashlib
from html import escape
from os import PathLike, stat_result
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from service.routes.http.direct_route import create_router
from service.routes.http.static_files import CompressedFiles

router = create_router(include_in_schema=False)

_PAGE_DIR = Path(__file__).parents[2] / "page"
# Not from `mimetypes`: its types of .js and .webp depend on the machine, and browsers that must not
# sniff rely on them.
_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
}

PLAYGROUND_CSP = (
    "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'"
)
"""No inline script or style, and nothing from another host. `blob:` allows images that the page
itself makes, such as a noisy one, and `data:` the icons in the style sheets."""

_HEADERS = {
    # Revalidate each time (mostly 304), so that an upgrade of the service shows at once.
    "Cache-Control": "no-cache",
    "Content-Security-Policy": PLAYGROUND_CSP,
}


class _PlaygroundFiles(StaticFiles):
    """Starlette's static files (with ETag and 304), with our media types and headers."""

    def file_response(
        self,
        full_path: str | PathLike[str],
        stat_result: stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(_HEADERS)
        if response.status_code == status_code:  # a 304 has no content, and so no type
            response.headers["content-type"] = _MEDIA_TYPES[Path(full_path).suffix]
        return response


_STATIC_FILES = _PlaygroundFiles(directory=_PAGE_DIR)


_INDEX = (_PAGE_DIR / "index.html").read_text("utf-8")
_BASE_URL_PLACEHOLDER = "{base_url}"


@router.get("/")
async def playground(request: Request) -> Response:
    """Respond with the page; its text for browsers without scripts names the address in use."""
    page = _INDEX.replace(_BASE_URL_PLACEHOLDER, escape(str(request.base_url)))
    etag = f'"{hashlib.sha256(page.encode()).hexdigest()[:32]}"'
    headers = {**_HEADERS, "ETag": etag}
    response = HTMLResponse(page, headers=headers)
    if _STATIC_FILES.is_not_modified(response.headers, request.headers):
        # With the policy: a browser replaces the stored headers by those of a 304.
        return Response(status_code=304, headers=headers)
    return response


def mount_playground(app: FastAPI) -> None:
    """Serve the files of the playground."""
    app.mount("/page", CompressedFiles(_STATIC_FILES), name="page")
