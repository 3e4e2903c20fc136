"""A learning-rate range test as a picture."""

from pathlib import Path

from matplotlib.figure import Figure

from training.engine.lr_range_test import RangeTest

__all__ = ["draw_range_test"]


def draw_range_test(test: RangeTest, title: str, path: Path) -> None:
    """Losses by rate; what lies above one and a half times the first losses is cut off."""
    figure = Figure(figsize=(7.5, 4.2), dpi=80, layout="constrained")
    axes = figure.add_subplot()
    axes.plot(test.rates, test.losses, color="0.75", linewidth=1, label="of each step")
    axes.plot(test.rates, test.smooth, label="running average")
    for rate, colour, style, name in (
        (test.steepest, "C2", "--", "falls fastest"),
        (test.lowest, "C3", "--", "lowest"),
        (test.recipe_rate, "black", ":", "the recipe's rate"),
    ):
        axes.axvline(rate, color=colour, linestyle=style, label=f"{name}: {rate:.2g}")
    axes.set_xscale("log")
    top = max(test.smooth[: test.rates.index(test.lowest) + 1])
    low = min(*test.losses, 0.0)
    axes.set(title=title, xlabel="learning rate", ylabel="loss", ylim=(low, 1.6 * top))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path)
