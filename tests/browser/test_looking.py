"""Results can be enlarged, selections are visible, and figures have labels."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.watched import Watched, show, until


def transform(page: Page) -> str:
    style: str = page.locator(".comparison-dialog .layer img").first.evaluate(
        "image => image.style.transform"
    )
    return style


def scale(page: Page) -> str:
    return page.locator(".comparison-dialog .scale").inner_text()


def open_enlarged(page: Page, button: str) -> None:
    page.get_by_role("button", name=button, exact=True).first.click()
    expect(page.locator(".comparison-dialog .scale")).not_to_be_empty()


@pytest.mark.parametrize(
    ("view", "button"),
    [
        ("denoise?model=blur", "Enlarge"),
        ("compress?model=autoencoder-mnist-conv", "Enlarge: JPEG beside This model"),
    ],
)
def test_a_comparison_fills_the_window_with_the_same_slider(
    watched: Watched, view: str, button: str
) -> None:
    page = show(watched, view)
    open_enlarged(page, button)
    dialog = page.get_by_role("dialog")
    box = dialog.bounding_box()
    size = page.viewport_size
    assert box
    assert size
    assert (box["width"], box["height"]) == (size["width"], size["height"])
    divider = dialog.get_by_role("slider")
    divider.fill("20")
    shown = (
        dialog.locator(".layer").nth(1).evaluate("element => getComputedStyle(element).clipPath")
    )
    assert shown == "inset(0px 80% 0px 0px)"
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_keys_zoom_and_move(watched: Watched) -> None:
    page = show(watched, "denoise?model=blur")
    open_enlarged(page, "Enlarge")
    fit = transform(page)
    page.keyboard.press("1")
    assert scale(page) == "100 %"
    page.keyboard.press("+")
    assert scale(page) == "125 %"
    page.keyboard.press("-")
    before = transform(page)
    page.keyboard.press("ArrowLeft")
    assert transform(page) != before
    page.keyboard.press("0")
    assert transform(page) == fit


def test_the_wheel_zooms_about_the_pointer_and_a_drag_moves(watched: Watched) -> None:
    page = show(watched, "denoise?model=blur")
    open_enlarged(page, "Enlarge")
    page.keyboard.press("1")
    image = page.locator(".comparison-dialog .layer img").first
    before = image.bounding_box()
    assert before
    x, y = before["x"] + 0.25 * before["width"], before["y"] + 0.5 * before["height"]
    page.mouse.move(x, y)
    page.mouse.wheel(0, -100)
    expect(page.locator(".comparison-dialog .scale")).to_have_text("125 %")
    after = image.bounding_box()
    assert after
    assert after["width"] == pytest.approx(1.25 * before["width"], abs=0.5)
    assert (x - after["x"]) / after["width"] == pytest.approx(0.25, abs=0.01)
    page.mouse.down()
    page.mouse.move(x + 50, y + 20)
    page.mouse.up()
    moved = image.bounding_box()
    assert moved
    assert (moved["x"] - after["x"], moved["y"] - after["y"]) == pytest.approx((50, 20), abs=1)


def test_the_drop_hint_is_always_visible(watched: Watched) -> None:
    page = show(watched, "classify")
    expect(page.locator(".result-headline")).to_have_text("cat")
    hint = page.locator(".drop-zone p")
    expect(hint).to_have_text("Drop, paste or click to choose an image")
    expect(hint).to_have_css("opacity", "1")
    with page.expect_file_chooser():
        page.locator(".drop-zone").click()


def test_the_chosen_faces_show_that_they_are_chosen(watched: Watched) -> None:
    page = show(watched, "faces?model=noise&version=2&seed=40&count=3")
    first, _, last = (page.get_by_role("button", name=f"Face {seed}") for seed in (40, 41, 42))
    first.click()
    expect(first).to_have_attribute("aria-pressed", "true")
    expect(first.locator(".morph-end")).to_have_text("From")
    last.click()
    expect(last.locator(".morph-end")).to_have_text("To")
    page.get_by_label("To", exact=True).fill("41")
    expect(last).to_have_attribute("aria-pressed", "false")


def test_metrics_of_a_card_are_described_with_their_precision(watched: Watched) -> None:
    page = show(watched, "models/faces-gan")
    row = page.locator(".card tbody tr").first
    expect(row.get_by_role("rowheader")).to_contain_text("distance to real faces, lower is better")
    columns = page.locator(".card thead th").all_inner_texts()
    assert columns == ["Figure", "Value", "Precision", "Measured on", "n"]
    page = show(watched, "models/denoiser-photo")
    expect(page.locator(".card tbody")).to_contain_text(
        "higher is better · σ = 25, stored in 8 bits"
    )
    page = show(watched, "models/resnet-cifar10")
    cells = page.locator(".card tbody tr").filter(has_text="share classified correctly")
    expect(cells.locator("td:nth-child(3)")).to_have_text(["fp32", "int8"])


def test_previews_are_shown_large_enough_to_read(watched: Watched) -> None:
    page = show(watched, "models")
    text = page.locator(".tile[data-task=text] img").first
    until(page, "document.querySelector('.tile[data-task=text] img').naturalWidth > 0")
    expect(text).to_have_css("object-fit", "none")  # the text of the preview at its own size
