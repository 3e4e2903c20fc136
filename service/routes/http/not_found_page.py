"""The HTML page that browsers get for an unknown path."""

from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse

from service.errors import NotAcceptable
from service.routes.http.content_negotiation import negotiate
from service.routes.http.error_formats import error_formatter_for
from service.routes.http.locations import root_path
from service.schemas.problem import PROBLEM_JSON

_HTML = "text/html"
_CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_PAGE = """<!doctype html>
<html lang="{lang}">
<head>
  <meta charset="utf-8">
  <title>{title} · deepshelf</title>
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <link rel="icon" href="{root}/page/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="{root}/page/css/base.css">
</head>
<body>
  <main>
    <h1>{title}</h1>
    <p>{nothing_at} <code>{path}</code>.</p>
    <p><a href="{root}/">{playground}</a> · <a href="{root}/docs">{api}</a> ·
      <a href="{root}/#/models">{models}</a></p>
  </main>
</body>
</html>
"""
_TEXTS = {
    "en": {
        "title": "Not found",
        "nothing_at": "There is nothing at",
        "playground": "The playground",
        "api": "The API",
        "models": "The models",
    },
    "es": {
        "title": "No encontrado",
        "nothing_at": "No hay nada en",
        "playground": "La página principal",
        "api": "La API",
        "models": "Los modelos",
    },
}
"""The languages of the playground."""


def wants_page(request: Request) -> bool:
    """Return whether the client prefers HTML to JSON, outside the protocols of other projects."""
    root = root_path(request.scope)
    if error_formatter_for(request.url.path.removeprefix(root)) is not None:
        return False
    try:
        return negotiate(request.headers.get("accept"), (PROBLEM_JSON, _HTML)) == _HTML
    except NotAcceptable:
        return False


def not_found_page(request: Request, path: str) -> HTMLResponse:
    """Respond with a page that names the missing path and links to what exists.

    Its language is the browser's first among English and Spanish, as in the playground.
    """
    root = escape(root_path(request.scope))
    accepted = request.headers.get("accept-language", "").lower().split(",")
    tags = [tag.strip()[:2] for tag in accepted]
    language = next((tag for tag in tags if tag in _TEXTS), "en")
    page = _PAGE.format(root=root, path=escape(path), lang=language, **_TEXTS[language])
    headers = {"Content-Security-Policy": _CSP, "Vary": "Accept, Accept-Language"}
    return HTMLResponse(page, 404, headers=headers)
