"""Optimize PNGs: quantize to 256 colours, which cuts the file size to about a third.

The most frequent colours are kept exactly: a line of a plot must not take the colour of another.

python -m training.plots.optimize_png PNG …
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

_PALETTE_SIZE = 256
_EXACT_COLORS = 64


def optimize_png(path: Path) -> None:
    """Rewrite the PNG at `path` with a palette of its own."""
    with Image.open(path) as file:
        image = file.convert("RGB")
    colors: Any = image.getcolors(image.width * image.height)
    frequent = [color for _, color in sorted(colors, reverse=True)[:_EXACT_COLORS]]
    rest = image.quantize(_PALETTE_SIZE - _EXACT_COLORS, dither=Image.Dither.NONE).getpalette()
    palette = Image.new("P", (1, 1))
    palette.putpalette([channel for color in frequent for channel in color] + (rest or []))
    quantized = image.quantize(palette=palette, dither=Image.Dither.NONE)
    # Pillow's search for the nearest entry is approximate: white may become almost white.
    pixels_HWC, indices_HW = np.asarray(image), np.array(quantized)
    for index, color in enumerate(frequent):
        indices_HW[(pixels_HWC == color).all(axis=2)] = index
    quantized.putdata(indices_HW.ravel())
    quantized.save(path, optimize=True)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        optimize_png(Path(name))
