"""Container images install pinned, hashed packages that satisfy pyproject.toml."""

import json
import re
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from benchmarks.advisories import find_advisories, is_affected, parse_lock

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-build.lock", "requirements-training.lock")


def _lines(lock: str) -> list[str]:
    """Requirements with their hashes, one a line; comments left out."""
    text = re.sub(r" *#.*", "", (ROOT / lock).read_text(encoding="utf-8")).replace("\\\n", "")
    return [line for line in text.splitlines() if line.strip()]


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
        "requirements-training.lock": [*project["project"]["dependencies"], *extras["training"]],
    }


@pytest.mark.parametrize("lock", LOCKS)
def test_what_is_locked_is_what_the_project_asks_for(lock: str) -> None:
    pins = parse_lock((ROOT / lock).read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for text in _asked(project)[lock]:
        asked = Requirement(text)
        name = canonicalize_name(asked.name)
        assert pins.get(name), f"{lock} lacks {name}: make lock"
        for version in pins[name]:
            assert asked.specifier.contains(version), f"{name} {version} is not {asked}: make lock"


def _range(*events: dict[str, str]) -> dict[str, Any]:
    return {"ranges": [{"type": "ECOSYSTEM", "events": list(events)}]}


@pytest.mark.parametrize(
    ("affected", "bad", "good"),
    [
        ({"versions": ["1.0", "1.1"]}, ["1.0"], ["1.2"]),
        (_range({"introduced": "0"}, {"fixed": "2.0"}), ["0.1", "1.10", "2.0rc1"], ["2.0", "10"]),
        (_range({"introduced": "1.2"}, {"last_affected": "1.9"}), ["1.2", "1.9"], ["1.1", "1.10"]),
        (
            _range({"introduced": "3"}, {"fixed": "3.1"}, {"introduced": "0"}, {"fixed": "1"}),
            ["0.5", "3.0.9"],
            ["1", "2", "3.1"],
        ),
        (_range({"introduced": "5"}), ["5", "99"], ["4.9"]),
        ({"ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}]}, [], ["1"]),
    ],
)
def test_an_advisory_means_the_versions_that_osvs_schema_says(
    affected: dict[str, Any], bad: list[str], good: list[str]
) -> None:
    assert [version for version in (*bad, *good) if is_affected(affected, version)] == bad


def test_advisories_are_found_by_name_unless_they_were_withdrawn(tmp_path: Path) -> None:
    about = {"package": {"name": "Pillow"}, "versions": ["13.0.0"]}
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("A-1.json", json.dumps({"id": "A-1", "affected": [about]}))
        withdrawn = {"id": "A-2", "affected": [about], "withdrawn": "2026-01-01T00:00:00Z"}
        archive.writestr("A-2.json", json.dumps(withdrawn))
    hits = find_advisories(tmp_path / "all.zip", {"pillow": ["13.0.0"], "numpy": ["2.4.6"]})
    assert [(name, version, what["id"]) for name, version, what in hits] == [
        ("pillow", "13.0.0", "A-1")
    ]
