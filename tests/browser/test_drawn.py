"""The handwriting and faces views."""

import io
import json
from base64 import b64decode
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect

from tests.browser.watched import Watched, curl, show, stop_timers, until

SHOWN = "document.querySelector('.handwriting-image')?.naturalWidth > 0"


def test_digits_match_the_address_and_the_curl_command(watched: Watched, tmp_path: Path) -> None:
    page = show(watched, "handwriting?text=2026&seed=11")
    until(page, SHOWN)
    expect(page.get_by_alt_text("2026, written by hand")).to_be_visible()
    expect(page.locator(".response-meta")).to_contain_text("seed 11")
    with page.expect_download() as saved:
        page.get_by_role("link", name="Save as SVG").click()
    curl(page, page.locator(".curl-snippet"), tmp_path)
    assert (tmp_path / "written.svg").read_bytes() == saved.value.path().read_bytes()


def test_settings_of_a_drawing_can_be_changed_and_shared(watched: Watched) -> None:
    page = show(watched, "handwriting")
    page.get_by_label("Digits").fill("42")
    page.get_by_label("Show the pen at work").uncheck()
    page.get_by_label("Digits").press("Enter")
    expect(page.get_by_alt_text("42, written by hand")).to_be_visible()
    expect(page.locator(".command")).not_to_contain_text("animate")
    stop_timers(page)
    page.get_by_role("button", name="Copy a link to this").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link.startswith(f"{watched.base}/#/handwriting?text=42&seed=10&bias=1&model=")


def test_unsupported_characters_are_named(watched: Watched) -> None:
    watched.expected = ("422",)
    page = show(watched, "handwriting")
    until(page, SHOWN)
    page.get_by_label("Digits").fill("six")
    page.get_by_role("button", name="Write").click()
    expect(page.get_by_role("alert")).to_contain_text("'s'")


def test_address_reproduces_the_faces_by_seed(watched: Watched, tmp_path: Path) -> None:
    page = show(watched, "faces?model=noise&version=2&seed=40&count=3")
    faces = page.locator(".gallery button")
    expect(faces).to_have_text(["40", "41", "42"])
    response = json.loads(curl(page, page.locator(".curl-snippet").first, tmp_path))
    shown = [image.get_attribute("src") or "" for image in page.locator(".gallery img").all()]
    assert [f"data:image/png;base64,{face['image']}" for face in response["faces"]] == shown

    page.get_by_role("button", name="Others").click()
    expect(faces.first).not_to_have_text("40")
    seeds = faces.all_inner_texts()
    page.reload()
    expect(faces).to_have_text(seeds)


def test_two_faces_that_are_clicked_are_morphed(watched: Watched, tmp_path: Path) -> None:
    page = show(watched, "faces?model=noise&version=2&seed=40&count=3")
    page.get_by_label("Steps").fill("5")
    page.get_by_role("button", name="Face 40").click()
    page.get_by_role("button", name="Face 42").press("Enter")
    expect(page.get_by_alt_text("A face that changes from 40 to 42")).to_be_visible()
    curl(page, page.locator(".curl-snippet").nth(1), tmp_path)
    first = page.locator(".gallery img").first.get_attribute("src") or ""
    with (
        Image.open(tmp_path / "morph.webp") as morph,
        Image.open(io.BytesIO(b64decode(first.partition(",")[2]))) as face,
    ):
        assert getattr(morph, "n_frames", 1) == 5
        assert morph.size == face.size
