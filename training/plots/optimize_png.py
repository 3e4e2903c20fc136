"""Optimize PNGs: quantize to 128 colours, which cuts the file size to about a third.

python -m training.plots.optimize_png PNG …
"""

import sys
from pathlib import Path

from PIL import Image

__all__ = ["shrink"]

_COLOURS = 128


def shrink(path: Path) -> None:
    """Rewrite the PNG at `path` with a palette of its own."""
    with Image.open(path) as image:
        palette = image.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    palette.save(path, optimize=True)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        shrink(Path(name))
