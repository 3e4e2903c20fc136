"""The classify view: sources of images, and the display of results."""

import json
from pathlib import Path

from playwright.sync_api import Page, Route, expect

from tests.browser.watched import Watched, curl, show, until
from tests.fakes.image_models import encode_png, solid_image

SAMPLES = Path(__file__).parents[2] / "service/page/samples"
GREEN = encode_png(solid_image(40, 40, (0, 255, 0)))
_TRANSFER = """(bytes) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([new Uint8Array(bytes)], 'green.png', {type: 'image/png'}));
  return transfer;
}"""


def headline(page: Page) -> str:
    return page.locator(".result-headline").inner_text()


def choose(page: Page, model: str) -> None:
    page.get_by_label("Model").select_option(label=model)


def test_sample_is_named_and_the_command_shown_gives_the_same_response(
    watched: Watched, tmp_path: Path
) -> None:
    page = show(watched, "classify")
    expect(page.locator(".result-headline")).to_have_text("cat")
    shares = [
        float(text.rstrip(" %")) for text in page.locator(".bars .percentage").all_inner_texts()
    ]
    assert len(shares) == 5
    assert shares == sorted(shares, reverse=True)
    expect(page.locator(".response-meta")).to_contain_text("resnet-cifar10 2")
    expect(page.locator(".response-meta")).to_contain_text("ms round trip")

    response = json.loads(curl(page, page.locator(".curl-snippet"), tmp_path))
    best = response["results"][0]["predictions"]
    assert [prediction["label"] for prediction in best] == page.locator(
        ".bars .label"
    ).all_inner_texts()
    assert round(100 * best[0]["probability"], 1) == shares[0]


def test_an_ensemble_shows_each_members_vote(watched: Watched) -> None:
    page = show(watched, "classify")
    choose(page, "all-paint 1")
    page.locator("input[type=file]").set_input_files(
        {"name": "it's green.png", "mimeType": "image/png", "buffer": GREEN}
    )
    expect(page.locator(".votes h3")).to_have_text("3 of 3 members say green")
    expect(page.locator(".votes li")).to_have_count(3)
    assert headline(page) == "green"
    expect(page.locator(".command")).to_contain_text("model=all-paint")


def test_image_can_be_dropped_and_pasted(watched: Watched) -> None:
    page = show(watched, "classify")
    choose(page, "all-paint 1")
    transfer = page.evaluate_handle(_TRANSFER, list(GREEN))
    page.locator(".image-picker").dispatch_event("drop", {"dataTransfer": transfer})
    expect(page.locator(".result-headline")).to_have_text("green")
    page.get_by_role("button", name="a ship, drawn").click()
    expect(page.locator(".result-headline")).to_have_text("blue")
    page.evaluate(
        "data => document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data}))",
        transfer,
    )
    expect(page.locator(".result-headline")).to_have_text("green")


def test_a_photograph_comes_from_the_camera(watched: Watched) -> None:
    page = show(watched, "classify")
    expect(page.locator(".result-headline")).to_have_text("cat")
    page.get_by_role("button", name="Camera").click()
    dialog = page.get_by_role("dialog", name="Camera")
    until(page, "document.querySelector('video')?.videoWidth > 0")
    dialog.get_by_role("button", name="Take it").click()
    expect(dialog).to_have_count(0)
    expect(page.locator(".files a")).to_have_text("photo.jpg")

    page.get_by_role("button", name="Camera").click()
    expect(dialog).to_be_visible()
    show(watched, "denoise")
    expect(dialog).to_have_count(0)


def test_file_that_is_no_image_shows_the_error_of_the_service(watched: Watched) -> None:
    watched.expected = ("415",)
    page = show(watched, "classify")
    page.locator("input[type=file]").set_input_files(
        {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"not an image"}
    )
    problem = page.get_by_role("alert")
    expect(problem).to_contain_text("Unsupported content (415)")
    expect(problem.get_by_role("link", name="what this means")).to_have_attribute(
        "href", f"{watched.base}/problems/unsupported"
    )
    page.get_by_role("button", name="a cat").click()
    expect(page.locator(".result-headline")).to_have_text("cat")
    expect(problem).to_have_count(0)


def test_sample_that_loads_late_does_not_replace_the_picked_image(watched: Watched) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    watched.page.route("**/samples/cat.jpg", hold)
    page = show(watched, "classify")
    page.locator("input[type=file]").set_input_files(SAMPLES / "ship.png")
    expect(page.locator(".result-headline")).to_have_text("ship")
    for route in held:
        route.continue_()
    page.wait_for_load_state("networkidle")
    expect(page.locator(".command")).to_contain_text("ship.png")
    expect(page.locator(".result-headline")).to_have_text("ship")
