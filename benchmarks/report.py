"""Reports of a benchmark in `build/benchmarks/`: a Markdown table, JSON and a plot."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from service.runtime.cpu_limits import available_cores

_FOLDER = Path("build/benchmarks")
_LIBRARIES = ("onnxruntime", "fastapi", "uvicorn", "pillow", "numpy", "pydantic")


def describe_machine() -> dict[str, str]:
    """Return the hardware and the library versions that figures depend on."""
    return {
        "hardware": f"{available_cores()} cores, {_cpu_model()}",
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in _LIBRARIES},
    }


def format_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns."""
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    )


def write_report(name: str, text: str, raw: Mapping[str, object]) -> None:
    """Print `text`, and keep it as `name`.md and all figures as `name`.json."""
    print(text)
    _FOLDER.mkdir(parents=True, exist_ok=True)
    (_FOLDER / f"{name}.md").write_text(text + "\n", encoding="utf-8")
    figures = {"machine": describe_machine(), **raw}
    (_FOLDER / f"{name}.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(f"\nalso in {_FOLDER}/{name}.md, .json and .png")


def draw_bars(name: str, panels: Mapping[str, Mapping[str, float]], unit: str) -> None:
    """Draw horizontal bars, one panel per workload, with our server highlighted."""
    from matplotlib.figure import Figure

    heights = [len(panel) for panel in panels.values()]
    figure = Figure(
        figsize=(8, 0.9 + 0.42 * sum(heights) + 0.6 * len(panels)), layout="constrained"
    )
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axis, (title, panel) in zip(axes, panels.items(), strict=True):
        names, values = list(panel), list(panel.values())
        colors = [_color(name) for name in names]
        drawn = axis.barh(range(len(names)), values, color=colors, height=0.7)
        axis.bar_label(drawn, [f" {value:,.0f}" for value in values])
        axis.set_yticks(range(len(names)), names)
        axis.invert_yaxis()
        axis.set_title(title, loc="left", fontsize=10, fontweight="bold")
        axis.set_xlim(0, max(values) * 1.12)
        axis.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlabel(unit)
    figure.savefig(_FOLDER / f"{name}.png", dpi=110)


def _color(name: str) -> str:
    if name.startswith("deepshelf"):
        return "#1a7f5a"
    return "#c9cdd2" if "limit" in name else "#7a8793"


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else f"{os.uname().machine}"
