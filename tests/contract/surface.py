"""The modules of the product as syntax trees: what they say, without importing what they need."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

__all__ = ["PACKAGES", "ROOT", "Module", "load_modules"]

ROOT = Path(__file__).parents[2]
PACKAGES = ("deepshelf", "models_store", "service", "training")


@dataclass(frozen=True)
class Module:
    name: str
    tree: ast.Module

    @cached_property
    def exported_names(self) -> list[str] | None:
        """`__all__`, or None where there is none."""
        for node in self.tree.body:
            if isinstance(node, ast.Assign) and "__all__" in _target_names(*node.targets):
                return list(ast.literal_eval(node.value))
        return None

    @property
    def defined_names(self) -> set[str]:
        """Names that exist once the module is imported."""
        return {name for node in self.tree.body for name in _bound_names(node)}

    @property
    def is_empty(self) -> bool:
        """Nothing but a docstring."""
        return all(isinstance(node, ast.Expr) for node in self.tree.body)

    def imports(self) -> Iterator[tuple[str, str, str]]:
        """Module, name, and what the name is called here, wherever it is imported."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    yield node.module, alias.name, alias.asname or alias.name

    def attributes_of(self, name: str) -> set[str]:
        """Return the attributes that are read from a global `name`, as in `name.attribute`."""
        return {
            node.attr
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == name
        }


def load_modules() -> dict[str, Module]:
    modules_by_name = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            modules_by_name[name] = Module(name, ast.parse(path.read_text(encoding="utf-8")))
    return modules_by_name


def _bound_names(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Assign):
        return _target_names(*node.targets)
    if isinstance(node, ast.AnnAssign):
        return _target_names(node.target)
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name for alias in node.names}
    return set()


def _target_names(*targets: ast.expr) -> set[str]:
    return {
        node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)
    }
