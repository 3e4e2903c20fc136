"""A model's card, as a short but complete example for the documentation."""

from typing import Any

_SHA = "0f8c1b2d3e4f40519c2a7b6d5e4f3a210f8c1b2d3e4f40519c2a7b6d5e4f3a21"

CARD: dict[str, Any] = {
    "schema_version": 1,
    "name": "ants-or-bees",
    "version": 1,
    "created": "2026-01-01T00:00:00Z",
    "summary": "Distinguishes ants from bees.",
    "task": {
        "kind": "classification",
        "image": {"width": 224, "height": 224, "mode": "RGB", "resize": "crop"},
        "labels": ["ants", "bees"],
    },
    "files": [
        {
            "path": "model.onnx",
            "role": "model",
            "bytes": 9_100_000,
            "sha256": _SHA,
            "precision": "fp32",
            "inputs": [{"name": "images", "dtype": "uint8", "shape": ["batch", 224, 224, 3]}],
            "outputs": [{"name": "probabilities", "dtype": "float32", "shape": ["batch", 2]}],
        },
        {"path": "golden.npz", "role": "golden", "bytes": 300_000, "sha256": _SHA},
        {"path": "preview.png", "role": "preview", "bytes": 90_000, "sha256": _SHA},
    ],
    "golden": {"cases": 2, "rtol": 1e-3, "atol": 1e-5},
    "parameters": 2_226_434,
    "metrics": [
        {"name": "top-1", "value": 0.96, "dataset": "photographs", "split": "held out", "n": 100}
    ],
    "data": [
        {"title": "Photographs", "source": "our own", "licence": "CC0", "sha256": _SHA, "n": 400}
    ],
    "provenance": {
        "recipe": {"epochs": 6},
        "command": "deepshelf train transfer photos --name ants-or-bees",
        "seed": 0,
        "git_commit": "0f8c1b2d3e4f40519c2a7b6d5e4f3a210f8c1b2d",
        "libraries": {"torch": "2.14"},
        "hardware": "2 cores",
        "duration_s": 300,
        "epochs": 6,
    },
    "licence": "Apache-2.0",
    "intended_use": "To show the fields of a card.",
    "limits": "This model does not exist.",
    "state": "ready",
}
