"""A real Chromium before the real service with the real store."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.watched import Watched
from tests.e2e.server import Server, running_server
from tests.fakes.generator import publish_generator
from tests.fakes.image_models import MeanColourClassifier, publish_image_model

ROOT = Path(__file__).parents[2]
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = (
    "--no-sandbox",  # it would need a kernel feature that containers do not have
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)


_PATIENCE_MS = 90_000  # for machines that are busy with other things
expect.set_options(timeout=_PATIENCE_MS)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        message = "no Chromium is installed (Debian: apt-get install chromium)"
        # A browser that is silently missing would leave the page untested for good.
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Every committed model, an ensemble, two generators, a version damaged after publication."""
    store = tmp_path_factory.mktemp("shelf")
    for folder in (ROOT / "models_store").glob("*/[0-9]*"):
        shutil.copytree(folder, store / folder.parent.name / folder.name, copy_function=os.link)
    publish_image_model(store, "all-paint", MeanColourClassifier(members=3))
    _put_generator(store, epochs=2, gain=60)
    _put_generator(store, epochs=30, gain=40)
    damaged = (
        publish_image_model(store, "all-paint", MeanColourClassifier(members=2)) / "model.onnx"
    )
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    with running_server(store, tmp_path_factory.mktemp("log") / "service.log") as server:
        yield server


def _put_generator(store: Path, *, epochs: int, gain: float) -> None:
    path = publish_generator(store, "noise", gain) / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["provenance"]["epochs"] = epochs
    path.write_text(json.dumps(manifest))


@pytest.fixture
def watched(browser: Browser, server: Server) -> Iterator[Watched]:
    """A page of its own; at the end, nothing may have gone wrong or elsewhere."""
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write", "camera"])
    page = context.new_page()
    page.set_default_timeout(_PATIENCE_MS)
    watched = Watched(page, server.url)
    yield watched
    context.close()
    watched.check()
