"""While the service computes, the page shows progress, and the request can be cancelled."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from playwright.sync_api import Error, Page, Route, expect

from tests.browser.watched import Watched, show


@contextmanager
def held_back(page: Page, pattern: str) -> Iterator[list[Route]]:
    """Delay the requests to `pattern` until the block ends."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(pattern, hold)
    yield held
    page.unroute(pattern)
    for route in held:
        with suppress(Error):  # the page has cancelled it
            route.continue_()


def test_slow_request_shows_progress_and_dims_the_old_result(watched: Watched) -> None:
    page = show(watched, "denoise?model=blur")
    headline = page.locator(".result-headline")
    expect(headline).to_contain_text("dB")
    busy = page.locator(".busy")
    expect(busy).to_be_hidden()
    with held_back(page, "**/v1/denoise*"):
        page.get_by_role("button", name="Other noise").click()
        expect(busy).to_be_visible()
        expect(busy.locator(".seconds")).to_have_text(re.compile(r"^[1-9]\d* s$"))
        expect(page.locator(".result")).to_have_css("opacity", "0.4")
        animation = busy.locator(".progress").evaluate("bar => getComputedStyle(bar).animationName")
        assert animation == "progress"
    expect(busy).to_be_hidden()
    expect(page.locator(".result")).to_have_css("opacity", "1")


def test_slow_request_can_be_cancelled(watched: Watched) -> None:
    watched.expected = ("ERR_",)
    page = show(watched, "denoise?model=blur")
    expect(page.locator(".result-headline")).to_contain_text("dB")
    before = page.locator(".result-headline").inner_text()
    with held_back(page, "**/v1/denoise*"):
        page.get_by_role("button", name="Other noise").click()
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator(".busy")).to_be_hidden()
        expect(page.locator(".result-headline")).to_have_text(before)
        expect(page.locator(".result")).to_have_css("opacity", "1")


def test_cancelled_first_request_is_reported(watched: Watched) -> None:
    page = watched.page
    with held_back(page, "**/v1/classify*"):
        show(watched, "classify")
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator(".result")).to_have_text("Cancelled.")
