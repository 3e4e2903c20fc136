"""Fixtures: Chromium, and the service with the committed models."""

import os
import shutil
from collections.abc import Iterator
from typing import TypedDict

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.watched import Watched
from tests.e2e.server import Server, running_server
from tests.fakes.generator import publish_generator
from tests.fakes.image_models import (
    BoxBlurDenoiser,
    MeanColorClassifier,
    encode_png,
    publish_image_model,
    solid_image,
)
from tests.fakes.tensor_models import (
    THREE_INPUTS,
    publish_tensors_model,
    three_inputs_model,
)
from tests.repository import ROOT
from tests.waiting import LIMIT_S

PHOTOGRAPH_COLOR = (0, 255, 0)
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


class ChromiumOptions(TypedDict):
    """Arguments of `playwright.chromium.launch`."""

    executable_path: str | None
    args: tuple[str, ...]


expect.set_options(timeout=1000 * LIMIT_S)


def chromium_options() -> ChromiumOptions:
    """Return how to launch the Chromium of this machine; `executable_path` is None without one."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    return {"executable_path": found, "args": _ARGUMENTS}


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    options = chromium_options()
    if options["executable_path"] is None:
        message = "no Chromium is installed (Debian: apt-get install chromium)"
        # A browser that is silently missing would leave the page untested for good.
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**options)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Copy the committed models; add fakes, one of them damaged, and photographs."""
    store = tmp_path_factory.mktemp("store")
    for folder in (ROOT / "models_store").glob("*/[0-9]*"):
        shutil.copytree(folder, store / folder.parent.name / folder.name, copy_function=os.link)
    publish_image_model(store, "all-paint", MeanColorClassifier(members=3))
    publish_image_model(store, "blur", BoxBlurDenoiser())
    publish_tensors_model(store, "three", three_inputs_model(), THREE_INPUTS)
    for gain in (60, 40):
        publish_generator(store, "noise", gain)
    damaged = publish_image_model(store, "all-paint", MeanColorClassifier(members=2)) / "model.onnx"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    photographs = tmp_path_factory.mktemp("photographs")
    (photographs / "green.png").write_bytes(encode_png(solid_image(90, 60, PHOTOGRAPH_COLOR)))
    log = tmp_path_factory.mktemp("log") / "service.log"
    with running_server(store, log, real_faces=photographs) as server:
        yield server


@pytest.fixture
def watched(browser: Browser, server: Server) -> Iterator[Watched]:
    """Yield a new page, then check it for errors and requests to other hosts."""
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write", "camera"])
    watched = Watched(context.new_page(), server.url)
    yield watched
    context.close()
    watched.check()
