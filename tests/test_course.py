"""The course's pages: what they link is there, and what they tell one to type exists."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

from training.cli.main import app
from training.config.recipe import built_in_recipes

ROOT = Path(__file__).parent.parent
COURSE = ROOT / "docs" / "course"
PAGES = sorted(COURSE.glob("*.md"))
_BLOCK = re.compile(r"^```(?:sh|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _commands(page: Path) -> list[list[str]]:
    lines = "\n".join(_BLOCK.findall(page.read_text(encoding="utf-8"))).splitlines()
    told = [line.strip().removeprefix("$ ") for line in lines]
    return [shlex.split(line)[2:] for line in told if line.startswith("deepshelf train ")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_links_exists(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_a_page_exists_with_its_options_and_recipes(page: Path) -> None:
    told = _commands(page)
    assert told or page.stem == "README"
    for words in told:
        command: Any = typer.main.get_command(app)
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options
        if command.name in ("fit", "range-test"):
            assert words[0] in built_in_recipes()


def test_pictures_are_small_and_each_is_shown() -> None:
    pictures = sorted(COURSE.glob("*.png"))
    assert pictures
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [p.name for p in pictures if f"({p.name})" not in text] == []
    assert max(picture.stat().st_size for picture in pictures) < 150_000
    assert sum(picture.stat().st_size for picture in pictures) < 2_000_000
