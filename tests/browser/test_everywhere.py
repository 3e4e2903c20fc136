"""Requirements of every view: accessibility, phone width, keyboard use, content security."""

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.watched import Watched, show, stop_timers
from tests.e2e.server import Server

VIEWS = (
    "classify",
    "denoise",
    "compress",
    "faces",
    "text",
    "handwriting",
    "game",
    "predict",
    "credits",
    "models",
    "models?model=denoiser-mnist",
)


def settle(page: Page) -> None:
    """Wait until the view has loaded."""
    page.locator("main .curl-snippet:visible, main .empty-state, main .credits").first.wait_for()
    page.wait_for_load_state("networkidle")
    expect(page.locator("[aria-busy]")).to_have_count(0)


def open_all(page: Page) -> None:
    # Elements, not locators by index: an opened section may load further ones before the next.
    for closed in page.locator("main details > summary").element_handles():
        closed.click()
    for section in page.locator(".filters").all():
        section.locator(".scroll img[src]").wait_for()
    settle(page)


def violations(page: Page, **options: object) -> list[tuple[str, Any]]:
    found = Axe().run(page, options={"resultTypes": ["violations"], **options}).response
    return [
        (violation["id"], [n["target"] for n in violation["nodes"]])
        for violation in found["violations"]
    ]


def test_every_view_fits_a_phone_and_axe_finds_nothing_in_light_or_dark(
    browser: Browser, server: Server
) -> None:
    context = browser.new_context(
        viewport={"width": 360, "height": 780}, has_touch=True, reduced_motion="reduce"
    )
    watched = Watched(context.new_page(), server.url)
    for view in VIEWS:
        page = show(watched, view)
        settle(page)
        open_all(page)
        assert page.evaluate("document.documentElement.scrollWidth") == 360, view
        assert violations(page) == [], view
        page.emulate_media(color_scheme="dark")
        assert violations(page, runOnly=["color-contrast"]) == [], view
        page.emulate_media(color_scheme="light")
    context.close()
    watched.check()


def test_the_keyboard_reaches_everything(watched: Watched) -> None:
    page = show(watched, "classify")
    expect(page.locator(".result-headline")).to_have_text("cat")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Model")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Choose an image")).to_be_focused()
    page.get_by_role("button", name="a ship, drawn").press("Enter")
    expect(page.locator(".result-headline")).to_have_text("ship")
    page.get_by_role("link", name="Denoise").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Denoise")
    expect(page).to_have_title("Denoise · deepshelf")


def test_a_command_is_copied(watched: Watched) -> None:
    page = show(watched, "models")
    stop_timers(page)
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == f"curl {watched.base}/v1/models"


def test_dark_or_light_is_kept(watched: Watched) -> None:
    page = show(watched, "models")
    page.get_by_role("button", name="Dark or light").click()
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("body")).to_have_css("background-color", "rgb(21, 24, 27)")


def test_a_script_that_is_not_the_pages_own_does_not_run(watched: Watched) -> None:
    watched.expected = ("Content Security Policy",)
    page = show(watched, "classify")
    ran = page.evaluate(
        """async () => {
          const script = document.createElement('script');
          script.textContent = 'window.ran = true';
          document.body.append(script);
          const blocked = await fetch('http://127.0.0.1:9/').then(() => false, () => true);
          return [window.ran ?? false, blocked];
        }"""
    )
    assert ran == [False, True]
    watched.hosts.discard("http://127.0.0.1:9")
