"""The text view: streaming, sampling parameters, stopping, and rejected input."""

import json
from pathlib import Path

from playwright.sync_api import CDPSession, Page, expect

from tests.browser.watched import Watched, curl, show, until


def write(page: Page) -> None:
    page.get_by_role("button", name="Write").click()


def new_text(page: Page) -> str:
    return page.locator(".text-output .continuation").inner_text()


def test_options_reach_the_service_and_curl_gives_the_same_text(
    watched: Watched, tmp_path: Path
) -> None:
    page = show(watched, "text?model=charnn-tiny")
    expect(page.get_by_label("Beginning")).to_have_value("482 = ")
    page.get_by_label("Temperature").fill("0")
    page.get_by_label("Stop at").fill("\\n")
    page.get_by_label("Seed").fill("7")
    write(page)
    expect(page.locator(".view-text")).to_contain_text("ended at a stop string")
    assert new_text(page) == "four hundred eighty-two"
    expect(page.locator(".response-meta").first).to_contain_text("seed 7")

    events = curl(page, page.locator(".curl-snippet"), tmp_path).decode().split("\n\n")
    pieces = [json.loads(event[6:])["text"] for event in events if event.startswith("data: {")]
    assert "".join(pieces) == new_text(page)
    assert events[-2:] == ["data: [DONE]", ""]


def throttle(session: CDPSession, bytes_per_s: int) -> None:
    """Limit the browser's download rate; -1 removes the limit."""
    conditions = {"offline": False, "latency": 0, "uploadThroughput": -1}
    session.send(
        "Network.emulateNetworkConditions", {**conditions, "downloadThroughput": bytes_per_s}
    )


def test_generation_can_be_stopped_and_restarted_from_the_keyboard(watched: Watched) -> None:
    page = show(watched, "text")
    expect(page.get_by_label("Beginning")).not_to_be_empty()
    page.get_by_label("Characters").fill("2000")
    stop = page.get_by_role("button", name="Stop")
    expect(stop).to_be_disabled()
    # Slowed down, because a fast machine generates 2,000 characters before a key can be pressed.
    session = page.context.new_cdp_session(page)
    throttle(session, bytes_per_s=2000)
    page.get_by_label("Beginning").press("Control+Enter")
    until(page, "document.querySelector('.text-output .continuation')?.textContent.length > 20")
    stop.press("Enter")
    expect(page.locator(".status")).to_contain_text("Stopped")
    throttle(session, bytes_per_s=-1)
    assert 20 < len(new_text(page)) < 2000
    expect(page.locator(".caret")).to_have_count(0)

    page.get_by_label("Characters").fill("20")
    page.get_by_label("Beginning").press("Control+Enter")
    expect(page.locator(".status")).to_contain_text("20 characters")


def test_unknown_characters_are_named(watched: Watched) -> None:
    watched.expected = ("422",)
    page = show(watched, "text?model=charnn-tiny")
    page.get_by_label("Beginning").fill("Zwölf")
    write(page)
    expect(page.get_by_role("alert")).to_contain_text("'Z' (U+005A)")
    expect(page.get_by_role("button", name="Stop")).to_be_disabled()
