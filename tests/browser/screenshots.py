"""Draw the screenshots of the documentation: `make screenshots`.

Starts the service with the committed models and photographs the playground in Chromium.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.conftest import chromium_options
from tests.e2e.server import running_server
from tests.repository import ROOT

_SIZE = (860, 776)
_GAP = 20
_TIMEOUT_MS = 120_000


@dataclass(frozen=True)
class View:
    """One view of the playground."""

    address: str
    theme: Literal["light", "dark"]
    ready: str
    """Selector of an element that is visible once the view shows its result."""


_SCREENSHOTS = {
    "page.webp": (
        "en",
        (View("denoise", "light", ".result-headline"), View("compress", "dark", ".codec-row")),
    ),
    "pagina.webp": (
        "es",
        (View("denoise", "light", ".result-headline"), View("game", "dark", ".round img")),
    ),
}
"""File in docs/ → language, and views from left to right."""


def main() -> None:
    """Write every screenshot to docs/."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(ROOT / "models_store", Path(folder) / "service.log") as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(**chromium_options())
        for name, (language, views) in _SCREENSHOTS.items():
            images = [_photograph(browser, server.url, language, view) for view in views]
            path = ROOT / "docs" / name
            _side_by_side(images).save(path, quality=80, method=6)
        browser.close()


def _photograph(browser: Browser, url: str, language: str, view: View) -> Image.Image:
    width, height = _SIZE
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=view.theme,
        locale=language,
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(f"{url}/#/{view.address}")
    expect(page.locator(view.ready).first).to_be_visible(timeout=_TIMEOUT_MS)
    expect(page.locator("[aria-busy]")).to_have_count(0, timeout=_TIMEOUT_MS)
    page.wait_for_load_state("networkidle")
    image = Image.open(BytesIO(page.screenshot())).convert("RGB")
    context.close()
    return image


def _side_by_side(images: Sequence[Image.Image]) -> Image.Image:
    width, height = _SIZE
    sheet = Image.new("RGB", ((width + _GAP) * len(images) - _GAP, height), "white")
    for index, image in enumerate(images):
        sheet.paste(image, (index * (width + _GAP), 0))
    return sheet


if __name__ == "__main__":
    main()
