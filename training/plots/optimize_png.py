"""Optimize PNGs: quantize to 128 colours, which cuts the file size to about a third.

python -m training.plots.optimize_png PNG …
"""

import sys
from pathlib import Path

from PIL import Image

__all__ = ["optimize_png"]

_PALETTE_SIZE = 128


def optimize_png(path: Path) -> None:
    """Rewrite the PNG at `path` with a palette of its own."""
    with Image.open(path) as image:
        palette = image.convert("RGB").quantize(_PALETTE_SIZE, dither=Image.Dither.NONE)
    palette.save(path, optimize=True)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        optimize_png(Path(name))
