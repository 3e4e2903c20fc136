"""Docstrings are sentences, imperatives or noun phrases (an attribute's); none starts oddly."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.repository import ROOT

PACKAGES = (
    "deepshelf", "service", "training", "models_store", "tests", "benchmarks", "deploy", "examples"
)  # fmt: skip
_ODD_OPENER = re.compile(r"(Of|In which|That|Whoever|What|So long|Whether)\b")


def _docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and text of every string that is a statement."""
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            yield node.lineno, node.value.value.strip()


@pytest.mark.parametrize("package", PACKAGES)
def test_no_docstring_starts_with_an_odd_opener(package: str) -> None:
    odd = [
        f"{path.relative_to(ROOT)}:{line} {text.splitlines()[0]}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for line, text in _docstrings(path.read_text(encoding="utf-8"))
        if _ODD_OPENER.match(text)
    ]
    assert not odd, "\n".join(odd)


def test_docstrings_of_attributes_are_read() -> None:
    source = 'class A:\n    """Good."""\n    x: int\n    """Of the run."""\n'
    assert [line for line, text in _docstrings(source) if _ODD_OPENER.match(text)] == [4]
