"""Container images install pinned, hashed packages that satisfy pyproject.toml."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.repository import ROOT

LOCKS = (
    "requirements.lock",
    "requirements-build.lock",
    "requirements-training.lock",
    "requirements-gpu.lock",
)


def _lines(lock: str) -> list[str]:
    """Return one requirement with its hashes per line, without comments."""
    text = re.sub(r" *#.*", "", (ROOT / lock).read_text(encoding="utf-8")).replace("\\\n", "")
    return [line for line in text.splitlines() if line.strip()]


def _pinned_versions(lock: str) -> dict[str, list[str]]:
    """Return the versions of each package; markers can select between several."""
    versions: dict[str, list[str]] = {}
    for line in _lines(lock):
        requirement = Requirement(line.partition("--hash")[0])
        (specifier,) = requirement.specifier
        versions.setdefault(canonicalize_name(requirement.name), []).append(specifier.version)
    return versions


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_has_a_version_and_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    for line in _lines(lock):
        assert re.search(r"==\S+ .*--hash=sha256:[0-9a-f]{64}", line), line
        assert not line.startswith("-")


def _required(lock: str) -> list[str]:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    dependencies = pyproject["project"]["dependencies"]
    extras = pyproject["project"]["optional-dependencies"]
    required: dict[str, list[str]] = {
        "requirements.lock": [*dependencies, *extras["sign"]],
        "requirements-build.lock": pyproject["build-system"]["requires"],
        "requirements-training.lock": [*dependencies, *extras["training"]],
        "requirements-gpu.lock": extras["gpu"],
    }
    return required[lock]


@pytest.mark.parametrize("lock", LOCKS)
def test_locked_versions_satisfy_the_project_requirements(lock: str) -> None:
    pinned = _pinned_versions(lock)
    for requirement in map(Requirement, _required(lock)):
        name = canonicalize_name(requirement.name)
        assert pinned.get(name), f"{lock} lacks {name}: run make lock"
        for version in pinned[name]:
            assert requirement.specifier.contains(version), f"{name} {version}: run make lock"
