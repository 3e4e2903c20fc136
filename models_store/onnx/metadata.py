"""The `metadata_props` of published graphs, which identify a file outside the store."""

import json
from collections.abc import Mapping
from typing import Any


def graph_metadata(
    name: str, version: int, licence: str, recipe: Mapping[str, Any]
) -> dict[str, str]:
    """Return the properties of a graph; Netron shows them."""
    text = json.dumps(recipe, ensure_ascii=False)
    return {"name": name, "version": str(version), "licence": licence, "recipe": text}
