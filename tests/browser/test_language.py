"""The page in Spanish: chosen by the browser, switched by the visitor, complete."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from models_store.layout import list_model_names, list_versions, version_dir
from models_store.verify import read_manifest
from tests.browser.test_everywhere import settle, violations
from tests.browser.watched import Watched, show
from tests.e2e.server import Server

STORE = Path(__file__).parents[2] / "models_store"

_KEYS = """async () => {
  const strings = (name) => import(`${location.origin}/page/js/strings/${name}.js`);
  const [{ en }, { es }] = await Promise.all(['en', 'es'].map(strings));
  // Words for names of the API, which English has no need of.
  const translated = ['samples', 'labelNames', 'states', 'tasks', 'cards', 'notes'];
  const kind = (value) =>
    typeof value === 'function' ? `function of ${value.length}` : typeof value;
  const keys = (texts, path = '') => Object.entries(texts).flatMap(([name, value]) => {
    if (translated.includes(name)) return [];
    if (typeof value === 'object') return keys(value, `${path}${name}.`);
    return [`${path}${name}: ${kind(value)}`];
  });
  return [keys(en), keys(es)];
}"""


@pytest.fixture
def spanish(browser: Browser, server: Server) -> Iterator[Watched]:
    context = browser.new_context(
        locale="es-AR", viewport={"width": 360, "height": 780}, reduced_motion="reduce"
    )
    watched = Watched(context.new_page(), server.url)
    yield watched
    context.close()
    watched.check()


def test_a_spanish_browser_gets_the_spanish_page(spanish: Watched) -> None:
    page = show(spanish, "classify")
    expect(page.get_by_role("heading", level=1)).to_have_text("Clasificar")
    expect(page.locator("html")).to_have_attribute("lang", "es")
    expect(page.locator(".result-headline")).to_have_text("gato")
    expect(page.locator(".bars .percentage").first).to_contain_text(",")
    expect(page.locator(".command")).to_contain_text("/v1/classify?top_k=5")


def test_no_english_is_left_and_every_view_fits_a_phone(spanish: Watched) -> None:
    for view, result in (
        ("compress?model=autoencoder-mnist-conv", ".result img"),
        ("faces?model=noise", ".gallery img"),
        ("game", "main img"),
    ):
        page = show(spanish, view)
        page.locator(result).first.wait_for()
        settle(page)
        assert page.evaluate("document.documentElement.scrollWidth") == 360, view
        words = set(page.locator("body").inner_text().lower().split())
        assert not words & {"the", "of", "with", "image", "choose", "copy"}, view
        assert violations(page) == [], view


def test_a_phone_shows_every_tab_and_all_columns_of_a_card(spanish: Watched) -> None:
    page = show(spanish, "models/denoiser-photo")
    row = page.locator(".card tbody tr").first
    expect(row.locator("td").last).to_be_visible()
    overflow = page.locator(".card .scroll").evaluate_all(
        "boxes => boxes.map(box => box.scrollWidth - box.clientWidth)"
    )
    assert set(overflow) == {0}
    for tab in page.locator("#view-links a").all():
        expect(tab).to_be_in_viewport(ratio=1)
    # `strength` in the card's text is the name of a parameter.
    expect(page.locator(".card > p code", has_text="strength")).to_have_count(1)
    assert "`" not in page.locator(".card > p").filter(has_text="strength").inner_text()


@pytest.mark.parametrize("name", list_model_names(STORE))
def test_the_card_of_every_published_model_is_in_spanish(spanish: Watched, name: str) -> None:
    page = show(spanish, f"models/{name}")
    expect(page.locator("article h3").first).to_have_text("Medido")
    expect(page.locator("article > .hint")).to_have_count(0)  # "the texts are in English"
    manifest = read_manifest(version_dir(STORE, name, max(list_versions(STORE, name))))
    text = page.locator("article").inner_text()
    assert not {manifest.summary, manifest.intended_use, manifest.limits} & set(text.split("\n"))
    notes = {phrase for m in manifest.metrics for phrase in (m.note or "").split("; ")}
    notes |= {manifest.licence, *(m.dataset for m in manifest.metrics if " of " in m.dataset)}
    # Single words may also be part of a figure's name, which is the same in both languages.
    assert [phrase for phrase in notes if " " in phrase and phrase in text] == []


def test_the_language_can_be_switched_and_is_kept(watched: Watched) -> None:
    page = show(watched, "handwriting")
    expect(page.get_by_role("heading", level=1)).to_have_text("Handwriting")
    page.get_by_role("button", name="Español").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Escritura a mano")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Escritura a mano")
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Handwriting")


def test_both_languages_have_the_same_texts(watched: Watched) -> None:
    page = show(watched, "credits")
    english, spanish = page.evaluate(_KEYS)
    assert len(english) > 200
    assert spanish == english
