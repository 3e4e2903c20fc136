"""The list of models, their cards, failed versions, and views without a model."""

from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, expect

from service.keys import hash_key
from tests.browser.watched import Watched, curl, show, until
from tests.e2e.server import running_server
from tests.fakes.image_models import BoxBlurDenoiser, publish_image_model


def test_every_model_has_a_tile_with_its_preview_and_a_metric(watched: Watched) -> None:
    page = show(watched, "models")
    listed = page.request.get(f"{watched.base}/v1/models").json()["models"]
    tiles = page.locator(".tile")
    expect(tiles).to_have_count(len(listed))
    resnet = tiles.filter(has=page.get_by_text("resnet-cifar10", exact=True))
    expect(resnet).to_contain_text("88.9 % share classified correctly, n = 10\u202f000")
    until(
        page,
        "[...document.querySelectorAll('.tile img')].filter(img => img.naturalWidth).length > 3",
    )


def test_card_shows_provenance_and_links_to_the_model(watched: Watched) -> None:
    page = show(watched, "models")
    page.get_by_role("link", name="mobilenet-hymenoptera").click()
    card = page.locator(".card")
    expect(card).to_contain_text("Classifies photographs of ants and bees.")
    expect(card.get_by_role("row", name="accuracy").first).to_contain_text("96.2 %")
    card.get_by_text("The recipe").click()
    expect(card.locator("details pre")).to_contain_text('"seed": 0')
    card.get_by_role("link", name="Try it").click()
    expect(page.locator(".response-meta")).to_contain_text("mobilenet-hymenoptera 2")


def test_failed_version_shows_its_reason(watched: Watched) -> None:
    page = show(watched, "models")
    tile = page.locator(".tile").filter(has_text="all-paint")
    expect(tile.locator(".error-text")).to_contain_text("Version 2 is failed: model.onnx is not")


def test_view_without_a_model_is_explained(browser: Browser, tmp_path: Path) -> None:
    publish_image_model(tmp_path / "store", "blur", BoxBlurDenoiser())
    with running_server(tmp_path / "store", tmp_path / "log") as server:
        watched = Watched(browser.new_page(), server.url)
        for view in ("classify", "compress", "faces", "text", "handwriting"):
            page = show(watched, view)
            expect(page.locator(".empty-state")).to_contain_text("none is published")
        expect(show(watched, "predict").locator(".empty-state pre")).to_contain_text("models add")
        page = show(watched, "text")
        page.get_by_role("link", name="See all models").click()
        expect(page.locator(".tile")).to_have_count(1)
        page.close()
        watched.check()


def test_the_filters_of_a_layer_are_shown(watched: Watched, tmp_path: Path) -> None:
    page = show(watched, "models?model=resnet-cifar10")
    page.get_by_text("Filters of its layers").click()
    layers = page.get_by_label("Layer")
    image = page.locator(".filters img")
    expect(image).to_be_visible()
    layers.select_option(index=1)
    expect(image).to_have_attribute("alt", f"Filters of {layers.input_value()}")
    until(page, "document.querySelector('.filters img').naturalWidth > 0")
    curl(page, page.locator(".filters .curl-snippet"), tmp_path)
    with Image.open(tmp_path / "filters.png") as file:
        assert file.width == image.evaluate("image => image.naturalWidth")


def test_feature_maps_of_a_layer_are_shown(watched: Watched, tmp_path: Path) -> None:
    page = show(watched, "models?model=resnet-cifar10")
    page.get_by_text("Feature maps of its layers").click()
    maps = page.locator(".feature-maps")
    image = maps.locator(".scroll img")
    expect(image).to_have_attribute("alt", "Feature maps of conv1")
    expect(maps.locator(".async-result")).to_contain_text("32 maps, 0 of them zero everywhere")
    maps.get_by_label("Layer").select_option(index=1)
    expect(image).not_to_have_attribute("alt", "Feature maps of conv1")
    until(page, "document.querySelector('.feature-maps .scroll img').naturalWidth > 0")
    curl(page, maps.locator(".curl-snippet"), tmp_path)
    with Image.open(tmp_path / "maps.png") as file:
        assert file.width == image.evaluate("image => image.naturalWidth")


def test_page_prompts_for_a_key_that_the_service_requires(browser: Browser, tmp_path: Path) -> None:
    publish_image_model(tmp_path / "store", "blur", BoxBlurDenoiser())
    line = f"alice sha256:{hash_key('open sesame').hex()}"
    with running_server(tmp_path / "store", tmp_path / "log", keys=line) as server:
        watched = Watched(browser.new_page(), server.url, expected=("401",))
        page = show(watched, "models")
        expect(page.get_by_role("alert")).to_contain_text("this needs a key")
        page.get_by_label("Key").fill("open sesame")
        page.get_by_role("button", name="Use this key").click()
        expect(page.locator(".tile")).to_have_count(1)
        until(page, "document.querySelector('.tile img').naturalWidth > 0")
        expect(page.locator(".command")).to_contain_text('-H "Authorization: Bearer $KEY"')
        assert "sesame" not in page.content()
        page.close()
        watched.check()
