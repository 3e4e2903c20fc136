"""The denoise and compress views: resulting images, and correct figures beside them."""

import io
import re
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.watched import Watched, curl, show, until


def slide(page: Page, label: str, value: float) -> None:
    page.get_by_label(label).fill(str(value))


def psnr(a: bytes, b: bytes) -> float:
    one, other = (np.asarray(Image.open(io.BytesIO(x)).convert("RGB"), float) for x in (a, b))
    return float(10 * np.log10(255**2 / np.mean((one - other) ** 2)))


def test_noise_is_added_and_removed_and_both_figures_are_correct(
    watched: Watched, tmp_path: Path
) -> None:
    page = show(watched, "denoise")
    expect(page.locator(".result-headline")).to_contain_text("→")
    before, after = map(
        float, re.findall(r"([\d.]+) dB", page.locator(".result-headline").inner_text())
    )
    assert after > before + 6

    curl(page, page.locator(".curl-snippet"), tmp_path)
    noisy, clean, denoised = (
        (tmp_path / name).read_bytes() for name in ("noisy.png", "clean.png", "denoised.png")
    )
    assert round(psnr(noisy, clean), 1) == before
    assert round(psnr(denoised, clean), 1) == after


def test_noise_has_the_deviation_of_the_slider(watched: Watched, tmp_path: Path) -> None:
    page = show(watched, "denoise")
    page.get_by_role("button", name="ten printed digits").click()
    # Earlier requests were for an image that is 28 pixels wide.
    until(page, "document.querySelector('.comparison-images img')?.naturalWidth === 280")
    for label, value in (("Brightened by", 0.5), ("Noise to add", 0.1)):
        with page.expect_response("**/v1/denoise*"):  # what is saved is what was sent last
            slide(page, label, value)
    curl(page, page.locator(".curl-snippet"), tmp_path)
    noisy, clean = (
        np.asarray(Image.open(tmp_path / name).convert("L"), float) / 255
        for name in ("noisy.png", "clean.png")
    )
    added = (noisy - clean)[clean == 0]  # where nothing is clipped
    assert abs(added.mean() - 0.5) < 0.01
    assert abs(added.std() - 0.1) < 0.01


def test_without_noise_the_image_is_sent_unchanged_and_no_gain_is_shown(watched: Watched) -> None:
    page = show(watched, "denoise")
    expect(page.locator(".result-headline")).to_contain_text("dB")
    slide(page, "Noise to add", 0)
    expect(page.locator(".async-result")).to_contain_text("cannot be measured")
    expect(page.locator(".command")).to_contain_text("image=@cat.jpg")
    expect(page.locator(".command")).not_to_contain_text("reference")


def test_the_strength_of_denoising_is_sent(watched: Watched, tmp_path: Path) -> None:
    page = show(watched, "denoise")
    expect(page.locator(".result-headline")).to_contain_text("dB")
    slide(page, "Denoising strength", 0)
    expect(page.locator(".command")).to_contain_text("strength=0")
    curl(page, page.locator(".curl-snippet"), tmp_path)
    noisy, denoised = (
        np.asarray(Image.open(tmp_path / name).convert("RGB"))
        for name in ("noisy.png", "denoised.png")
    )
    assert np.array_equal(noisy, denoised)


def test_before_and_after_are_compared_with_the_arrow_keys(watched: Watched) -> None:
    page = show(watched, "denoise")
    expect(page.locator(".result-headline")).to_contain_text("dB")
    divider = page.get_by_label("How much of the image shows noisy")
    divider.focus()
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    expect(divider).to_have_value("45")
    clip = (
        page.locator(".comparison-image")
        .nth(1)
        .evaluate("image => getComputedStyle(image).clipPath")
    )
    assert clip == "inset(0px 55% 0px 0px)"


def test_code_has_the_displayed_size_and_is_decompressed(watched: Watched, tmp_path: Path) -> None:
    page = show(watched, "compress?model=autoencoder-mnist-conv")
    expect(page.locator(".result-headline")).to_contain_text("bytes")
    code_bytes = int(page.locator(".result-headline").inner_text().split()[0])
    curl(page, page.locator(".curl-snippet"), tmp_path)
    assert (tmp_path / "image.code").stat().st_size == code_bytes
    loss = psnr((tmp_path / "image.png").read_bytes(), (tmp_path / "three.png").read_bytes())
    ours = page.locator(".codec-row figure").nth(1)
    expect(ours).to_contain_text(f"{loss:.1f} dB")


def test_a_photograph_takes_the_bytes_of_the_quality_that_was_chosen(
    watched: Watched, tmp_path: Path
) -> None:
    page = show(watched, "compress?model=codec-photo")
    sizes = []
    for quality in (2, 7):
        slide(page, "Quality", quality)
        expect(page.locator(".command")).to_contain_text(f"quality={quality}")
        expect(page.locator(".async-result")).not_to_have_attribute("aria-busy", "true")
        curl(page, page.locator(".curl-snippet"), tmp_path)
        sizes.append((tmp_path / "image.code").stat().st_size)
        expect(page.locator(".result-headline")).to_contain_text(f"{sizes[-1] / 1000:.1f} kB")
    assert sizes[0] < 0.6 * sizes[1]


def test_the_other_formats_are_compared_honestly(watched: Watched) -> None:
    page = show(watched, "compress?model=autoencoder-mnist-conv")
    texts = page.locator(".codec-row figcaption")
    expect(texts).to_have_count(4)
    sizes = {
        text.split("\n")[0]: int(re.findall(r"(\d+) bytes", text)[0])
        for text in texts.all_inner_texts()
    }
    assert sizes["Original"] == 784
    # A JPEG of 28 × 28 has tables of some 300 bytes; a colour profile would be 470 more.
    assert 291 < sizes["JPEG"] < 450
    assert 60 < sizes["WebP"] < 200
    times = f"JPEG takes {sizes['JPEG'] / sizes['This model']:.1f} times as many bytes"
    expect(page.locator(".note")).to_contain_text(times)


def test_a_digit_can_be_drawn(watched: Watched, tmp_path: Path) -> None:
    page = show(watched, "compress?model=autoencoder-mnist-conv")
    page.get_by_role("button", name="Draw").click()
    pad = page.get_by_label("A pad to draw a digit on").bounding_box()
    assert pad
    page.mouse.move(pad["x"] + pad["width"] / 2, pad["y"] + pad["height"] / 5)
    page.mouse.down()
    page.mouse.move(pad["x"] + pad["width"] / 2, pad["y"] + pad["height"] * 4 / 5, steps=8)
    page.mouse.up()
    expect(page.locator(".files a").first).to_have_text("drawing.png")
    expect(page.locator(".async-result")).not_to_have_attribute("aria-busy", "true")
    curl(page, page.locator(".curl-snippet"), tmp_path)
    drawn = np.asarray(Image.open(tmp_path / "drawing.png").convert("L"))
    assert drawn.shape == (28, 28)
    assert drawn[14, 14] > 200
    assert drawn[:, :10].max() == 0
