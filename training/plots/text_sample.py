"""An image of a generated text."""

import textwrap
from pathlib import Path

from matplotlib.figure import Figure

_COLUMNS, _LINES = 72, 26


def draw_text_sample(text: str, title: str, path: Path) -> None:
    """Draw text in a monospaced font; wrap long lines and cut off text beyond the page."""
    lines = [part for line in text.split("\n") for part in textwrap.wrap(line, _COLUMNS) or [""]]
    figure = Figure(figsize=(7.4, 5.6), dpi=110)
    figure.text(0.03, 0.965, title, va="top", fontsize=10, color="0.4", parse_math=False)
    figure.text(
        0.03,
        0.91,
        "\n".join(lines[:_LINES]),
        va="top",
        family="DejaVu Sans Mono",  # comes with matplotlib; covers accents, Greek and Cyrillic
        fontsize=9.5,
        linespacing=1.4,
        parse_math=False,
    )
    figure.savefig(path)
