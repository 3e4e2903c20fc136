"""Documentation refers only to files, modules and settings that exist."""

import re
from pathlib import Path

import pytest

from service.settings import ENV_PREFIX, Settings
from tests.repository import ROOT

PAGES = sorted(
    [
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / name for name in ("README.md", "README.es.md", "CONTRIBUTING.md", "SECURITY.md")),
        ROOT / "examples" / "README.md",
    ]
)
_PATH = re.compile(
    r"(?<![\w/-])((?:benchmarks|deploy|models_store|service|tests|training)/[\w./-]*\w)"
)
_PLACEHOLDER = re.compile(r"NAME|models_store/<|training/$")
_READ_BY_TRAINING = {"DATA"}

per_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@per_page
def test_links_have_existing_targets(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@per_page
def test_quoted_paths_exist(page: Path) -> None:
    code = " ".join(re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8")))
    paths = {path for path in _PATH.findall(code) if not _PLACEHOLDER.search(path)}
    assert sorted(path for path in paths if not (ROOT / path).exists()) == []


@per_page
def test_modules_to_run_exist(page: Path) -> None:
    modules = re.findall(
        r"python -m ((?:benchmarks|models_store|service|tests|training)[\w.]*\w)",
        page.read_text(encoding="utf-8"),
    )
    files = {module: ROOT / module.replace(".", "/") for module in modules}
    missing = [
        module
        for module, file in files.items()
        if not (file.with_suffix(".py").exists() or (file / "__main__.py").exists())
    ]
    assert missing == []


@per_page
def test_settings_exist(page: Path) -> None:
    named = re.findall(rf"{ENV_PREFIX}([A-Z][A-Z_]*[A-Z])", page.read_text(encoding="utf-8"))
    known = {name.upper() for name in Settings.model_fields} | _READ_BY_TRAINING
    assert sorted(set(named) - known) == []
