"""A plot of a learning-rate range test."""

from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from training.engine.lr_range_test import LrRangeTestResult
from training.plots.style import DOCUMENT_STYLE


@rc_context(DOCUMENT_STYLE)
def draw_range_test(result: LrRangeTestResult, title: str, path: Path) -> None:
    """Draw losses by rate; losses above one and a half times the first ones are cut off."""
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(result.rates, result.losses, color="0.75", linewidth=1, label="of each step")
    axes.plot(result.rates, result.smoothed_losses, label="running average")
    for rate, color, style, name in (
        (result.steepest_rate, "C2", "--", "falls fastest"),
        (result.lowest_loss_rate, "C3", "--", "lowest"),
        (result.recipe_rate, "black", ":", "the recipe's rate"),
    ):
        axes.axvline(rate, color=color, linestyle=style, label=f"{name}: {rate:.2g}")
    axes.set_xscale("log")
    top = max(result.smoothed_losses[: result.rates.index(result.lowest_loss_rate) + 1])
    low = min(*result.losses, 0.0)
    axes.set(title=title, xlabel="learning rate", ylabel="loss", ylim=(low, 1.6 * top))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path)
