"""What an image installs is pinned and hashed, and is what pyproject.toml asks for."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-build.lock")

Pins = dict[str, list[str]]


def _lines(lock: str) -> list[str]:
    """Requirements with their hashes, one a line; comments left out."""
    text = re.sub(r" *#.*", "", (ROOT / lock).read_text(encoding="utf-8")).replace("\\\n", "")
    return [line for line in text.splitlines() if line.strip()]


def _pins(lock: str) -> Pins:
    """Name → the versions that it may be installed in; more than one where Python decides."""
    pins: Pins = {}
    for line in _lines(lock):
        requirement = Requirement(line.partition("--hash")[0])
        (pin,) = requirement.specifier
        assert pin.operator == "=="
        pins.setdefault(canonicalize_name(requirement.name), []).append(pin.version)
    return pins


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_has_a_version_and_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    for line in _lines(lock):
        assert re.search(r"==\S+ .*--hash=sha256:[0-9a-f]{64}", line), line
        assert not line.startswith("-")


def _asked(project: dict[str, Any]) -> dict[str, list[str]]:
    extras = project["project"]["optional-dependencies"]
    return {
        "requirements.lock": [*project["project"]["dependencies"], *extras["sign"]],
        "requirements-build.lock": project["build-system"]["requires"],
    }


@pytest.mark.parametrize("lock", LOCKS)
def test_what_is_locked_is_what_the_project_asks_for(lock: str) -> None:
    pins = _pins(lock)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for text in _asked(project)[lock]:
        asked = Requirement(text)
        name = canonicalize_name(asked.name)
        assert pins.get(name), f"{lock} lacks {name}: make lock"
        for version in pins[name]:
            assert asked.specifier.contains(version), f"{name} {version} is not {asked}: make lock"
