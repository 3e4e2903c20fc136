"""Handwriting and faces: what a seed draws."""

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.watched import Watched, curl, show, until

SHOWN = "document.querySelector('.paper')?.naturalWidth > 0"


def test_digits_are_written_as_the_address_says_and_as_curl_writes_them(
    watched: Watched, tmp_path: Path
) -> None:
    page = show(watched, "handwriting?text=2026&seed=11")
    until(page, SHOWN)
    expect(page.get_by_alt_text("2026, written by hand")).to_be_visible()
    expect(page.locator(".receipt")).to_contain_text("seed 11")
    with page.expect_download() as saved:
        page.get_by_role("link", name="Save as SVG").click()
    curl(page, page.locator(".same"), tmp_path)
    assert (tmp_path / "written.svg").read_bytes() == saved.value.path().read_bytes()


def test_what_is_written_can_be_changed_and_shared(watched: Watched) -> None:
    page = show(watched, "handwriting")
    page.get_by_label("Digits").fill("42")
    page.get_by_label("Show the pen at work").uncheck()
    page.get_by_label("Digits").press("Enter")
    expect(page.get_by_alt_text("42, written by hand")).to_be_visible()
    expect(page.locator(".command")).not_to_contain_text("animate")
    page.get_by_role("button", name="Copy a link to this").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == f"{watched.base}/#/handwriting?text=42&seed=7"


def test_what_cannot_be_written_is_named(watched: Watched) -> None:
    watched.expected = ("422",)
    page = show(watched, "handwriting")
    until(page, SHOWN)
    page.get_by_label("Digits").fill("six")
    page.get_by_role("button", name="Write").click()
    expect(page.get_by_role("alert")).to_contain_text("'s'")
