"""Modules import only the public names of others: those without a leading underscore."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repository import ROOT

PACKAGES = ("deepshelf", "models_store", "service", "training")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def _private_imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] in PACKAGES:
            yield from (alias.name for alias in node.names if alias.name.startswith("_"))


def test_the_modules_are_found() -> None:
    assert {ROOT / "service" / "app.py", ROOT / "models_store" / "manifest.py"} <= set(MODULES)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_imports_no_private_name(path: Path) -> None:
    assert list(_private_imports(path)) == []
