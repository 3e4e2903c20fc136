"""Provenance of a model: enough to train it again."""

import json
import re
import shlex
from typing import Any

import yaml

from training.config.recipe import Recipe, built_in_recipes, load_recipe

_WORD = re.compile(r"[\w.-]+")


def public_recipe(recipe: Recipe, exclude: set[str] | None = None) -> dict[str, Any]:
    """Return the recipe without the paths of the machine that it ran on."""
    return recipe.model_dump(
        mode="json", by_alias=True, exclude=exclude, context={"published": True}
    )


def fit_command(recipe: Recipe) -> str:
    """Return a command that trains by the same recipe, with `--set` for changed fields."""
    path = built_in_recipes().get(recipe.name)
    if path is None:
        return f"deepshelf train fit {recipe.name}.yaml"
    differences = _differences(public_recipe(recipe), public_recipe(load_recipe(recipe.name)))
    overrides = " ".join(f"--set {name}={shlex.quote(value)}" for name, value in differences)
    return f"deepshelf train fit {recipe.name} {overrides}".rstrip()


def _differences(
    fields: dict[str, Any], base_fields: dict[str, Any], prefix: str = ""
) -> list[tuple[str, str]]:
    differences: list[tuple[str, str]] = []
    for key, value in fields.items():
        other = base_fields.get(key)
        if isinstance(value, dict) and isinstance(other, dict) and value.keys() == other.keys():
            differences += _differences(value, other, f"{prefix}{key}.")
        elif value != other:
            # Another kind has other fields. Set one by one, the old fields would remain.
            differences.append((f"{prefix}{key}", _as_yaml(value)))
    return differences


def _as_yaml(value: object) -> str:
    """Return text that `--set` reads as the same value. JSON is YAML; words need no quotes."""
    if isinstance(value, str) and _WORD.fullmatch(value) and yaml.safe_load(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)
