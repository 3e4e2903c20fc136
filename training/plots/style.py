"""The style of figures that documents show at the width of a text column.

A figure 10 inches wide at 110 dpi is shown there some 830 pixels wide, so its letters of 10.5
points appear as 9 points.
"""

from typing import Any

from cycler import cycler

__all__ = ["DOCUMENT_STYLE", "LINE_STYLES"]

LINE_STYLES: Any = (
    "-",
    "--",
    "-.",
    ":",
    (0, (5, 1)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (1, 1)),
    (0, (8, 3)),
)
"""Tell lines apart without colour."""

_COLOURS = (
    "#1f77b4",
    "#e6750a",
    "#2a962a",
    "#c22527",
    "#8256b5",
    "#17a8b8",
    "#d062ae",
    "#555555",
)
"""Eight hues; matplotlib's own cycle has a brown that resembles its red."""

DOCUMENT_STYLE: Any = {
    "figure.dpi": 110,
    "font.size": 10.5,
    "axes.titlesize": 11,
    "axes.labelsize": 10.5,
    "legend.fontsize": 10.5,
    "axes.prop_cycle": cycler(color=_COLOURS),
}
"""For `matplotlib.rc_context`."""
