"""Data of your own: a function that returns arrays. These are noisy outlines of three shapes."""

import numpy as np
from numpy.typing import NDArray

LABELS = ("circle", "cross", "square")
SIDE = 16


def load(train: int, test: int, noise: float = 25.0, seed: int = 0) -> dict[str, object]:
    """Return images, uint8 (N, H, W), their classes, and the names of the classes."""
    random = np.random.default_rng(seed)
    return {
        "train": _draw(random, train, noise),
        "test": _draw(random, test, noise),
        "labels": LABELS,
        "title": "drawn shapes",
        "licence": "CC0",
        "source": "examples/own_network/mydata.py",
    }


def _draw(
    random: np.random.Generator, count: int, noise: float
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    classes = random.integers(len(LABELS), size=count)
    centers = random.uniform(6, SIDE - 6, (count, 2, 1, 1))
    radii = random.uniform(3, 5, (count, 1, 1))
    y, x = (np.abs(grid - centers[:, axis]) for axis, grid in enumerate(np.mgrid[:SIDE, :SIDE]))
    distances = np.select(
        [classes[:, None, None] == index for index in range(2)],
        [np.hypot(x, y) - radii, np.where(np.maximum(x, y) < radii, np.minimum(x, y), np.inf)],
        np.maximum(x, y) - radii,
    )
    pixels = 200 * (np.abs(distances) < 0.8) + random.normal(30, noise, distances.shape)
    return pixels.clip(0, 255).astype(np.uint8), classes
