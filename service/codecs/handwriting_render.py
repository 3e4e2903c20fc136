"""Render pen strokes as a page: SVG with smooth curves, or PNG.

A page's points are in pixels, x to the right and y down.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models_store.sampling.handwriting import Drawing, bezier_curves

_SYMBOL_GAP, _SPACE_WIDTH, _MARGIN, _STROKE_WIDTH = 0.22, 0.45, 0.14, 0.055
"""Between symbols, of a blank, around the page, the pen's width: in heights of a symbol's box."""
_SECONDS_PER_BOX_HEIGHT = 0.35
"""Animated pen speed: seconds for a stroke as long as the box is high."""
_SEGMENTS_PER_CURVE = 8
"""Straight pieces that a curve is drawn with in a PNG."""
_SUPERSAMPLING_THRESHOLD = 128

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Page:
    """Symbols side by side."""

    text: str
    width: int
    height: int
    stroke_width: float
    """The line's width."""
    symbols: tuple[Drawing, ...]
    """Each at its place on the page."""


def layout_page(text: str, drawings: Sequence[Drawing], aspect: float, height: int) -> Page:
    """Place a drawing of each character of `text`, except blanks, side by side.

    `aspect` is a box's width over its height; `height` is that of a box, in pixels.
    """
    remaining = iter(drawings)
    cursor, placements = 0.0, []
    for character in text:
        if character == " ":
            cursor += _SPACE_WIDTH
            continue
        drawing = next(remaining)
        strokes = [stroke * (aspect, -1.0) for stroke in drawing.strokes]
        all_points = np.concatenate(strokes)
        shift = np.array([cursor - all_points[:, 0].min(), 1.0])
        placements.append((drawing.symbol, [stroke + shift for stroke in strokes]))
        cursor += float(np.ptp(all_points[:, 0])) + _SYMBOL_GAP
    points = np.concatenate([stroke for _, strokes in placements for stroke in strokes])
    # A page of equal height for all texts, unless the pen left its box.
    top, bottom = min(0.0, points[:, 1].min()), max(1.0, points[:, 1].max())
    corner = np.array([-_MARGIN, top - _MARGIN])
    size = np.array([cursor - _SYMBOL_GAP + 2 * _MARGIN, bottom - top + 2 * _MARGIN]) * height
    return Page(
        text=text,
        width=max(1, round(size[0])),
        height=max(1, round(size[1])),
        stroke_width=_STROKE_WIDTH * height,
        symbols=tuple(
            Drawing(symbol, tuple((stroke - corner) * height for stroke in strokes))
            for symbol, strokes in placements
        ),
    )


def render_svg(page: Page, *, animated: bool) -> str:
    """Return SVG in the colour of the surrounding text; animated, it shows the pen moving."""
    paths, begin = [], 0.0
    unit = page.stroke_width / _STROKE_WIDTH
    for symbol in page.symbols:
        for stroke in symbol.strokes:
            path = f'<path d="{_path_commands(stroke)}"'
            length = float(np.hypot(*np.diff(stroke, axis=0).T).sum()) / unit
            duration = max(0.05, _SECONDS_PER_BOX_HEIGHT * length)
            paths.append(f"{path}{_stroke_animation(begin, duration)}" if animated else f"{path}/>")
            begin += duration + 0.1
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{page.width}" height="{page.height}" '
        f'viewBox="0 0 {page.width} {page.height}" role="img" aria-label="{escape(page.text)}" '
        f'fill="none" stroke="currentColor" stroke-width="{page.stroke_width:.2f}" '
        f'stroke-linecap="round" stroke-linejoin="round">{"".join(paths)}</svg>\n'
    )


def _path_commands(stroke: Points) -> str:
    segments = bezier_curves(stroke)
    start = f"M{_format_point(segments[0, 0])}"
    return start + "".join("C" + " ".join(map(_format_point, segment[1:])) for segment in segments)


def _format_point(point: Points) -> str:
    return f"{point[0]:.2f},{point[1]:.2f}"


def _stroke_animation(begin: float, duration: float) -> str:
    # A dash as long as the path, slid into place. It is hidden until its turn: with round ends,
    # even a dash of no length would show as a dot.
    return (
        ' pathLength="1" stroke-dasharray="1 1" stroke-dashoffset="1" visibility="hidden">'
        f'<set attributeName="visibility" to="visible" begin="{begin:.2f}s"/>'
        f'<animate attributeName="stroke-dashoffset" from="1" to="0" begin="{begin:.2f}s" '
        f'dur="{duration:.2f}s" fill="freeze"/></path>'
    )


def render_png(page: Page) -> bytes:
    """Return a grey PNG, black on white, drawn larger and reduced to smooth the edges."""
    factor = 4 if page.stroke_width / _STROKE_WIDTH <= _SUPERSAMPLING_THRESHOLD else 2
    canvas = Image.new("L", (page.width * factor, page.height * factor), 255)
    ink = ImageDraw.Draw(canvas)
    radius = page.stroke_width * factor / 2
    for symbol in page.symbols:
        for stroke in symbol.strokes:
            line = _flatten_curve(stroke) * factor
            ink.line([tuple(point) for point in line.tolist()], 0, max(1, round(2 * radius)))
            # Pillow's lines have neither round ends nor, between short pieces, joints.
            for x, y in line.tolist():
                ink.ellipse((x - radius, y - radius, x + radius, y + radius), 0)
    file = BytesIO()
    canvas.resize((page.width, page.height), Image.Resampling.BOX).save(file, "PNG")
    return file.getvalue()


def _flatten_curve(stroke: Points) -> Points:
    """Return points along the curve, by Bernstein polynomials."""
    t = np.linspace(0, 1, _SEGMENTS_PER_CURVE, endpoint=False)[:, None]
    weights = np.concatenate([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3], 1)
    points = np.einsum("tb,pbc->ptc", weights, bezier_curves(stroke)).reshape(-1, 2)
    return np.concatenate([points, stroke[-1:]])
