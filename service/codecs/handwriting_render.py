"""Pen strokes → a page: SVG with smooth curves, or PNG.

A page's points are in pixels, x to the right and y down.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models_store.sampling.handwriting import Drawing, curves

__all__ = ["Page", "Written", "as_png", "as_svg", "lay_out"]

_GAP, _SPACE, _MARGIN, _PEN = 0.22, 0.45, 0.14, 0.055
"""Between symbols, of a blank, around the page, the pen's width: in heights of a symbol's box."""
_SECONDS_A_BOX = 0.35
"""That the pen takes for a stroke as long as the box is high, where the page is animated."""
_FLAT = 8
"""Straight pieces that a curve is drawn with in a PNG."""
_LARGE = 128

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Written:
    """One symbol where it stands on the page: its strokes, each its points (P, 2)."""

    symbol: str
    strokes: tuple[Points, ...]


@dataclass(frozen=True)
class Page:
    """Symbols side by side."""

    text: str
    width: int
    height: int
    pen: float
    """The line's width."""
    written: tuple[Written, ...]


def lay_out(text: str, drawings: Sequence[Drawing], aspect: float, height: int) -> Page:
    """Put a drawing for every character of `text` but blanks side by side.

    `aspect` is a box's width over its height; `height` is that of a box, in pixels.
    """
    waiting = iter(drawings)
    cursor, placed = 0.0, []
    for character in text:
        if character == " ":
            cursor += _SPACE
            continue
        drawing = next(waiting)
        strokes = [stroke * (aspect, -1.0) for stroke in drawing.strokes]
        every = np.concatenate(strokes)
        shift = np.array([cursor - every[:, 0].min(), 1.0])
        placed.append((drawing.symbol, [stroke + shift for stroke in strokes]))
        cursor += float(np.ptp(every[:, 0])) + _GAP
    points = np.concatenate([stroke for _, strokes in placed for stroke in strokes])
    # A page of equal height for all texts, unless the pen left its box.
    top, bottom = min(0.0, points[:, 1].min()), max(1.0, points[:, 1].max())
    corner = np.array([-_MARGIN, top - _MARGIN])
    size = np.array([cursor - _GAP + 2 * _MARGIN, bottom - top + 2 * _MARGIN]) * height
    return Page(
        text=text,
        width=max(1, round(size[0])),
        height=max(1, round(size[1])),
        pen=_PEN * height,
        written=tuple(
            Written(symbol, tuple((stroke - corner) * height for stroke in strokes))
            for symbol, strokes in placed
        ),
    )


def as_svg(page: Page, *, animated: bool) -> str:
    """A drawing in the colour of the text around it; animated, the pen is seen at work."""
    paths, begin = [], 0.0
    unit = page.pen / _PEN
    for written in page.written:
        for stroke in written.strokes:
            path = f'<path d="{_commands(stroke)}"'
            length = float(np.hypot(*np.diff(stroke, axis=0).T).sum()) / unit
            duration = max(0.05, _SECONDS_A_BOX * length)
            paths.append(f"{path}{_motion(begin, duration)}" if animated else f"{path}/>")
            begin += duration + 0.1
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{page.width}" height="{page.height}" '
        f'viewBox="0 0 {page.width} {page.height}" role="img" aria-label="{escape(page.text)}" '
        f'fill="none" stroke="currentColor" stroke-width="{page.pen:.2f}" '
        f'stroke-linecap="round" stroke-linejoin="round">{"".join(paths)}</svg>\n'
    )


def _commands(stroke: Points) -> str:
    pieces = curves(stroke)
    start = f"M{_pair(pieces[0, 0])}"
    return start + "".join("C" + " ".join(map(_pair, piece[1:])) for piece in pieces)


def _pair(point: Points) -> str:
    return f"{point[0]:.2f},{point[1]:.2f}"


def _motion(begin: float, duration: float) -> str:
    # A dash as long as the path, slid into place. It is hidden until its turn: with round ends,
    # even a dash of no length would show as a dot.
    return (
        ' pathLength="1" stroke-dasharray="1 1" stroke-dashoffset="1" visibility="hidden">'
        f'<set attributeName="visibility" to="visible" begin="{begin:.2f}s"/>'
        f'<animate attributeName="stroke-dashoffset" from="1" to="0" begin="{begin:.2f}s" '
        f'dur="{duration:.2f}s" fill="freeze"/></path>'
    )


def as_png(page: Page) -> bytes:
    """Black ink on white, grey, drawn larger and scaled down so that its edges are smooth."""
    factor = 4 if page.pen / _PEN <= _LARGE else 2
    canvas = Image.new("L", (page.width * factor, page.height * factor), 255)
    ink = ImageDraw.Draw(canvas)
    radius = page.pen * factor / 2
    for written in page.written:
        for stroke in written.strokes:
            line = _flattened(stroke) * factor
            ink.line([tuple(point) for point in line.tolist()], 0, max(1, round(2 * radius)))
            # Pillow's lines have neither round ends nor, between short pieces, joints.
            for x, y in line.tolist():
                ink.ellipse((x - radius, y - radius, x + radius, y + radius), 0)
    file = BytesIO()
    canvas.resize((page.width, page.height), Image.Resampling.BOX).save(file, "PNG")
    return file.getvalue()


def _flattened(stroke: Points) -> Points:
    """Points along the curve (Bernstein's polynomials)."""
    t = np.linspace(0, 1, _FLAT, endpoint=False)[:, None]
    weights = np.concatenate([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3], 1)
    points = np.einsum("tb,pbc->ptc", weights, curves(stroke)).reshape(-1, 2)
    return np.concatenate([points, stroke[-1:]])
