"""The API's documentation, a missing page, the credits, and the page without scripts."""

from playwright.sync_api import Browser, expect

from tests.browser.watched import Watched, show
from tests.e2e.server import Server


def test_the_documentation_follows_dark_mode_and_links_back(watched: Watched) -> None:
    page = watched.page
    page.emulate_media(color_scheme="dark")
    page.goto(f"{watched.base}/docs")
    expect(page.get_by_text("/v1/classify").first).to_be_visible()
    red = page.evaluate(
        "getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/)[0]"
    )
    assert int(red) < 64
    page.emulate_media(color_scheme="light")
    expect(page.locator("html")).not_to_have_class("dark-mode")
    page.get_by_role("link", name="deepshelf", exact=False).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Classify")


def test_the_documentation_follows_the_playgrounds_choice(watched: Watched) -> None:
    page = show(watched, "models")
    page.get_by_role("button", name="Dark or light").click()
    page.goto(f"{watched.base}/docs")
    expect(page.locator("html")).to_have_class("dark-mode")


def test_redoc_requests_no_other_host(watched: Watched) -> None:
    page = watched.page
    page.goto(f"{watched.base}/redoc")
    expect(page.get_by_role("heading", name="Classify images")).to_be_visible()
    logo = page.locator("img[src*=favicon]")
    expect(logo.first).to_be_attached()
    page.wait_for_load_state("networkidle")  # `watched` checks the hosts


def test_a_missing_page_is_a_page(watched: Watched) -> None:
    watched.expected = ("404",)
    page = watched.page
    page.goto(f"{watched.base}/nope")
    expect(page.get_by_role("heading", level=1)).to_have_text("Not found")
    expect(page.locator("main")).to_contain_text("There is nothing at /nope.")
    page.get_by_role("link", name="The models").click()
    expect(page.locator(".tile").first).to_be_visible()


def test_without_scripts_the_command_has_the_right_port(browser: Browser, server: Server) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(server.url)
    expect(page.locator("main pre")).to_have_text(
        f"curl -F image=@cat.jpg {server.url}/v1/classify"
    )
    context.close()


def test_every_sample_is_credited_on_a_page(watched: Watched) -> None:
    page = show(watched, "classify")
    page.get_by_role("link", name="Sample credits").click()
    rows = page.locator(".credits tbody tr")
    expect(rows).to_have_count(10)
    expect(rows.filter(has_text="a cat")).to_contain_text("Stéfan van der Walt")
    expect(rows.last).to_contain_text("CC BY 4.0")
