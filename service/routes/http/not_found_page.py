"""The HTML page that browsers get for an unknown path."""

from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse

from service.errors import NotAcceptable
from service.routes.http.content_negotiation import negotiate
from service.routes.http.error_formats import error_formatter_for
from service.schemas.problem import PROBLEM_JSON

_HTML = "text/html"
_CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>Not found · deepshelf</title>
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <link rel="icon" href="{root}/page/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="{root}/page/css/base.css">
</head>
<body>
  <main>
    <h1>Not found</h1>
    <p>There is nothing at <code>{path}</code>.</p>
    <p><a href="{root}/">The playground</a> · <a href="{root}/docs">The API</a> ·
      <a href="{root}/#/models">The models</a></p>
  </main>
</body>
</html>
"""


def wants_page(request: Request) -> bool:
    """Return whether the client prefers HTML to JSON, outside the protocols of other projects."""
    root = request.scope.get("root_path", "")
    if error_formatter_for(request.url.path.removeprefix(root)) is not None:
        return False
    try:
        return negotiate(request.headers.get("accept"), (PROBLEM_JSON, _HTML)) == _HTML
    except NotAcceptable:
        return False


def not_found_page(request: Request, path: str) -> HTMLResponse:
    """Respond with a page that names the missing path and links to what exists."""
    root = escape(request.scope.get("root_path", ""))
    page = _PAGE.format(root=root, path=escape(path))
    return HTMLResponse(page, 404, headers={"Content-Security-Policy": _CSP, "Vary": "Accept"})
