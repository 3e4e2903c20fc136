"""The course's pages: links, commands and figures are right."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main
from PIL import Image

from models_store.layout import list_versions, version_dir
from models_store.verify import read_manifest
from tests.repository import ROOT
from training.cli.main import app
from training.config.recipe import built_in_recipes
from training.plots.style import DOCUMENT_STYLE

CLAIMS = (
    ("transfer", "97.0 ± 1.1 %", "mobilenet-hymenoptera", "accuracy/frozen", "{:.1%}"),
    ("transfer", "96.2 ± 1.8 %", "mobilenet-hymenoptera", "accuracy", "{:.1%}"),
    ("ensembles", "**90.4 %**", "ensemble-cifar10", "accuracy", "{:.1%}"),
    ("ensembles", "89.1 %", "ensemble-cifar10", "accuracy/mean-member", "{:.1%}"),
    ("ensembles", "**0.006**", "ensemble-cifar10", "ece", "{:.3f}"),
    ("autoencoders", "48.9 bytes", "autoencoder-mnist-conv", "code_bytes", "{:.1f}"),
    ("autoencoders", "28.4 dB", "autoencoder-mnist-conv", "psnr", "{:.1f}"),
    ("autoencoders", "0.0021", "autoencoder-mnist-dense", "mse_float", "{:.4f}"),
    ("denoising", "9.4\nto 21.3 dB", "denoiser-mnist", "psnr/sigma-0.5", "{:.1f}"),
    ("denoising", "from 6.4 to 28.0 dB", "denoiser-mnist", "psnr/course", "{:.1f}"),
    ("faces", "| 1,802 | 63 |", "faces-gan", "fd_mobilenet", "{:.0f}"),
    ("faces", "| 0.00 | 0.453 |", "faces-gan", "recall", "{:.3f}"),
    ("faces", "| 96.8 %", "faces-gan", "eyes", "{:.1%}"),
    ("handwriting", "99.8 %", "handwriting-digits", "legibility", "{:.1%}"),
    ("handwriting", "97.7 %", "handwriting-digits", "legibility_real", "{:.1%}"),
    ("text", "0.258 nats", "charnn-tiny", "nll", "{:.3f}"),
    ("text", "1.433 nats", "charnn-shakespeare", "nll", "{:.3f}"),
    ("text", "1.457 in windows", "charnn-shakespeare", "nll_windows", "{:.3f}"),
)
"""Page, its text, and the model, metric and format of the figure in it."""

COURSE = ROOT / "docs" / "course"
PAGES = sorted(COURSE.glob("*.md"))
_BLOCK = re.compile(r"^```(?:sh|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _commands(page: Path) -> list[list[str]]:
    lines = "\n".join(_BLOCK.findall(page.read_text(encoding="utf-8"))).splitlines()
    typed = [line.strip().removeprefix("$ ") for line in lines]
    return [shlex.split(line)[2:] for line in typed if line.startswith("deepshelf train ")]


@pytest.mark.parametrize(
    "page",
    [*PAGES, *(ROOT / "docs/curso").glob("*.md")],
    ids=lambda page: page.parent.name + page.stem,
)
def test_links_of_a_page_exist(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_a_page_exists_with_its_options_and_recipes(page: Path) -> None:
    typed = _commands(page)
    assert typed or page.stem == "README"
    for words in typed:
        command: Any = typer.main.get_command(app)
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options
        if command.name in ("fit", "range-test"):
            assert words[0] in built_in_recipes()


@pytest.mark.parametrize(("page", "text", "model", "metric", "form"), CLAIMS)
def test_figures_of_a_page_are_those_of_the_published_model(
    page: str, text: str, model: str, metric: str, form: str
) -> None:
    store = ROOT / "models_store"
    manifest = read_manifest(version_dir(store, model, max(list_versions(store, model))))
    value = next(m.value for m in manifest.metrics if m.name == metric and m.precision == "fp32")
    assert text in (COURSE / f"{page}.md").read_text(encoding="utf-8")
    assert form.format(value).rstrip("%") in text


# Spanish groups digits by no-break spaces, from five on (Real Academia Española).
_NUMBERS = {"course": r"\d+(?:,\d{3})*(?:\.\d+)?", "curso": r"\d+(?:\xa0\d{3})*(?:,\d+)?"}
_TO_PLAIN = {"course": str.maketrans("", "", ","), "curso": str.maketrans(",", ".", "\xa0")}


def _blocks_and_numbers(folder: str, page: str) -> tuple[list[str], list[str]]:
    """Return the code blocks of a page, and the sorted numbers of its prose in English notation."""
    text = (ROOT / "docs" / folder / page).read_text(encoding="utf-8")
    fence = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
    prose = re.sub(
        r"\]\([^)]*\)|`[^`]*`|(?:arXiv|CC BY|section|sección)\s+[\d.]+", "", fence.sub("", text)
    )
    numbers = re.findall(_NUMBERS[folder], prose)
    return fence.findall(text), sorted(n.translate(_TO_PLAIN[folder]) for n in numbers)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_spanish_page_has_the_commands_and_figures_of_the_english_one(page: Path) -> None:
    assert _blocks_and_numbers("curso", page.name) == _blocks_and_numbers("course", page.name)


def test_images_are_small_and_each_is_shown() -> None:
    images = sorted(COURSE.glob("*.png"))
    assert images
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [p.name for p in images if f"({p.name})" not in text] == []
    assert max(image.stat().st_size for image in images) < 150_000
    assert sum(image.stat().st_size for image in images) < 2_000_000


_TEXT_COLUMN = 830  # pixels of a page's text column; CSS has 96 to the inch


def test_letters_of_images_have_nine_points_in_a_text_column() -> None:
    letters = DOCUMENT_STYLE["legend.fontsize"] / 72 * DOCUMENT_STYLE["figure.dpi"]
    for image in COURSE.glob("*.png"):
        with Image.open(image) as opened:
            shown = min(1, _TEXT_COLUMN / opened.width)
        assert letters * shown / 96 * 72 >= 9, image.name
    with Image.open(COURSE / "catch.gif") as opened:
        assert opened.width >= 320
