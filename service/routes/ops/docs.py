"""The API's documentation, and pages that explain each kind of problem.

Scripts and styles come from the installed fastapi-offline package, so the pages work without
internet access; a content security policy blocks requests to other hosts.
"""

import hashlib
import re
from base64 import b64encode
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import fastapi_offline
from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from service.errors import NotFound, ServiceError
from service.routes.http.direct_route import create_router
from service.routes.http.static_files import CompressedFiles

router = create_router(include_in_schema=False)

_ASSETS = "/docs/assets"
_DOCS_CSP = (
    "default-src 'self'; script-src 'self'{hashes}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'self'"
)
"""Both pages have inline styles. Inline scripts are allowed by their hashes only."""
_STATIC_DIR = Path(fastapi_offline.__file__).parent / "static"
_REDOC_SCRIPT = "redoc.standalone.js"
_REDOC_LOGO = b"https://cdn.redoc.ly/redoc/logo-mini.svg"
_HEADER = """<style>
.to-playground { font: 16px/1.5 system-ui, sans-serif; padding: 0.7rem 1.25rem; margin: 0 }
.to-playground a { color: #176249 }
.dark-mode .to-playground a { color: #74d0ab }
.swagger-ui .renderedMarkdown p { line-height: 1.8 }
</style>
<script>
(() => {
  const system = matchMedia('(prefers-color-scheme: dark)');
  const apply = () => {
    let kept = null;
    try { kept = localStorage.getItem('theme'); } catch { /* storage is blocked */ }
    const dark = kept ? kept === 'dark' : system.matches;
    document.documentElement.classList.toggle('dark-mode', dark);
  };
  system.addEventListener('change', apply);
  apply();
})();
</script>
<p class="to-playground"><a href="{root}/">← deepshelf</a></p>"""
"""Link back to the playground, and the playground's choice of dark or light. Swagger UI's style
sheet has rules for `dark-mode`."""
_INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


@router.get("/problems/{slug}")
async def explain_problem(slug: str) -> Response:
    """Respond with the page that a problem's `type` links to."""
    error_types = {error_type.slug: error_type for error_type in _error_types(ServiceError)}
    error_type = error_types.get(slug)
    if error_type is None:
        raise NotFound(f"there is no such problem type; types: {', '.join(error_types)}")
    return PlainTextResponse(f"{error_type.title} ({error_type.status})\n\n{error_type.__doc__}\n")


@router.get("/docs")
async def swagger(request: Request) -> Response:
    """Return the page of Swagger UI, which loads its files from the service."""
    root = request.scope.get("root_path", "")
    page = get_swagger_ui_html(
        openapi_url=f"{root}/openapi.json",
        title="deepshelf: the API",
        swagger_js_url=f"{root}{_ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{root}{_ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{root}{_ASSETS}/favicon.png",
    )
    return _with_header(page, root)


@router.get("/redoc")
async def redoc(request: Request) -> Response:
    """Return the page of Redoc, which loads its files from the service."""
    root = request.scope.get("root_path", "")
    page = get_redoc_html(
        openapi_url=f"{root}/openapi.json",
        title="deepshelf: the API",
        redoc_js_url=f"{root}{_ASSETS}/redoc.standalone.js",
        redoc_favicon_url=f"{root}{_ASSETS}/favicon.png",
        with_google_fonts=False,
    )
    return _with_header(page, root)


class _DocsAssets(StaticFiles):
    """The package's files, with Redoc's logo taken from here instead of another host."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        if path != _REDOC_SCRIPT:
            return await super().get_response(path, scope)
        logo_url = f"{scope.get('root_path', '')}/favicon.png"
        return Response(_local_redoc(logo_url), media_type="text/javascript")


@lru_cache(maxsize=1)
def _local_redoc(logo_url: str) -> bytes:
    return (_STATIC_DIR / _REDOC_SCRIPT).read_bytes().replace(_REDOC_LOGO, logo_url.encode())


def mount_docs_assets(app: FastAPI) -> None:
    """Serve the scripts and styles of the documentation pages."""
    app.mount(_ASSETS, CompressedFiles(_DocsAssets(directory=_STATIC_DIR)), name="docs-assets")


def _with_header(page: HTMLResponse, root: str) -> Response:
    header = f"<body>{_HEADER.replace('{root}', root)}"
    body = bytes(page.body).replace(b"<body>", header.encode(), 1)
    return HTMLResponse(body, headers=_csp_headers(body))


def _csp_headers(page: bytes) -> dict[str, str]:
    digests = [hashlib.sha256(script).digest() for script in _INLINE_SCRIPT.findall(page)]
    hashes = "".join(f" 'sha256-{b64encode(digest).decode()}'" for digest in digests)
    return {"Content-Security-Policy": _DOCS_CSP.format(hashes=hashes)}


def _error_types(kind: type[ServiceError]) -> Iterator[type[ServiceError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _error_types(child)
