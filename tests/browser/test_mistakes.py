"""Errors replace the last result, and the address contains the settings."""

from io import BytesIO

import pytest
from PIL import Image
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.watched import Watched, show
from tests.fakes.image_models import encode_png, solid_image

TEXT_FILE: FilePayload = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"not an image"}


def pick(page: Page, buffer: bytes, name: str = "own.png") -> None:
    page.locator("input[type=file]").set_input_files(
        {"name": name, "mimeType": "image/png", "buffer": buffer}
    )


@pytest.mark.parametrize(
    ("view", "shown"),
    [
        ("denoise?model=blur", ".comparison-images"),
        ("compress?model=autoencoder-mnist-conv", ".codec-row"),
    ],
)
def test_text_file_shows_the_error_of_the_service_and_hides_the_old_comparison(
    watched: Watched, view: str, shown: str
) -> None:
    watched.expected = ("415",)
    page = show(watched, view)
    expect(page.locator(shown)).to_be_visible()
    page.locator("input[type=file]").set_input_files(TEXT_FILE)
    expect(page.get_by_role("alert")).to_contain_text("Unsupported content (415)")
    expect(page.locator(shown)).to_have_count(0)


def test_faces_without_a_seed_are_random_and_the_address_has_none(watched: Watched) -> None:
    page = show(watched, "faces?model=noise&count=2")
    expect(page.locator(".gallery button")).to_have_count(2)
    page.get_by_label("Seed", exact=True).fill("")
    page.get_by_role("button", name="Make faces").click()
    expect(page.locator(".command").first).not_to_contain_text("seed=")
    assert "seed" not in page.url
    assert "undefined" not in page.url


def test_a_chosen_model_is_in_the_address(watched: Watched) -> None:
    page = show(watched, "classify")
    page.get_by_label("Model").select_option(label="all-paint 1")
    page.reload()
    expect(page.get_by_label("Model").locator("option:checked")).to_have_text("all-paint 1")


def test_an_unknown_model_in_the_address_is_named(watched: Watched) -> None:
    page = show(watched, "classify?model=nope&version=3")
    notice = page.locator(".notice")
    expect(notice).to_contain_text("There is no model “nope 3” for this here")
    page.get_by_label("Model").select_option(label="all-paint 1")
    expect(notice).to_have_count(0)


def test_back_brings_a_prompt_and_its_settings_again(watched: Watched) -> None:
    page = show(watched, "text?model=charnn-tiny")
    prompt = page.get_by_label("Beginning")
    expect(prompt).to_have_value("482 = ")
    prompt.fill("123 = ")
    page.get_by_label("Temperature").fill("0.3")
    page.wait_for_url("**prompt=123**temperature=0.3**")
    page.get_by_role("link", name="Models", exact=True).click()
    expect(page.locator(".tile").first).to_be_visible()
    page.go_back()
    expect(prompt).to_have_value("123 = ")
    expect(page.get_by_label("Temperature")).to_have_value("0.3")
    expect(page.get_by_label("Model").locator("option:checked")).to_contain_text("charnn-tiny")


def test_names_in_errors_keep_their_case(watched: Watched) -> None:
    watched.expected = ("422",)
    page = show(watched, "text?model=charnn-tiny")
    page.get_by_label("Top k").fill("0")
    page.get_by_role("button", name="Write").click()
    expect(page.get_by_role("alert").locator("p")).to_contain_text("top_k")
    assert "Top_k" not in page.get_by_role("alert").inner_text()
    assert "Body" not in page.get_by_role("alert").inner_text()


def test_the_address_of_a_model_shows_its_card(watched: Watched) -> None:
    page = show(watched, "models/mobilenet-hymenoptera")
    expect(page.locator(".card > h2")).to_contain_text("mobilenet-hymenoptera")
    page = show(watched, "shelf/all-paint/1")  # the name of the view in older links
    expect(page.locator(".card > h2")).to_contain_text("all-paint 1")


def test_unknown_view_is_an_error(watched: Watched) -> None:
    page = show(watched, "nothing")
    expect(page.get_by_role("heading", level=1)).to_have_text("Not found")
    expect(page.locator("main")).to_contain_text("no view “nothing”")


def test_large_photo_is_sent_scaled_with_a_notice_or_in_full(watched: Watched) -> None:
    page = show(watched, "denoise?model=blur")
    expect(page.locator(".result-headline")).to_contain_text("dB")
    pick(page, encode_png(solid_image(1500, 900, (9, 90, 200))))
    note = page.locator(".size-note")
    expect(note).to_contain_text("Your image has 1500 × 900 pixels")
    expect(note).to_contain_text("1024 × 614 were sent")
    note.get_by_role("button", name="Send it in full").click()
    expect(note).to_have_count(0)
    expect(page.locator(".command")).to_contain_text("image=@own.png")


def test_uploaded_photo_gets_no_noise_by_default(watched: Watched) -> None:
    page = show(watched, "denoise?model=blur")
    noise = page.get_by_label("Noise to add")
    expect(page.locator(".command")).to_contain_text("noisy.png")
    pick(page, encode_png(solid_image(40, 30, (9, 90, 200))))
    expect(page.locator(".command")).to_contain_text("image=@own.png")
    expect(noise).to_have_value("0")
    page.get_by_role("button", name="a three").click()
    expect(page.locator(".command")).to_contain_text("noisy.png")
    expect(noise).to_have_value("0.1")


def test_a_format_that_only_the_service_reads_is_denoised_and_shown_alone(
    watched: Watched,
) -> None:
    page = show(watched, "denoise?model=blur")
    expect(page.locator(".result-headline")).to_contain_text("dB")
    tiff = BytesIO()
    Image.new("RGB", (40, 30), (9, 90, 200)).save(tiff, "TIFF")
    page.locator("input[type=file]").set_input_files(
        {"name": "own.tif", "mimeType": "image/tiff", "buffer": tiff.getvalue()}
    )
    expect(page.locator(".drop-zone")).to_contain_text("This browser cannot show this file")
    expect(page.locator(".comparison")).to_have_class("comparison after-only")
    expect(page.get_by_alt_text("denoised")).to_be_visible()
    expect(page.get_by_alt_text("noisy")).to_be_hidden()
