"""Learning-rate schedules over a run with the losses under them, and range tests."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from training.engine.lr_range_test import LrRangeTestResult
from training.plots.style import DOCUMENT_STYLE, LINE_STYLES


@rc_context(DOCUMENT_STYLE)
def draw_schedules(
    rates: Mapping[str, Sequence[float]],
    losses: Mapping[str, Sequence[Sequence[float]]],
    path: Path,
) -> None:
    """Draw `rates` by step, as a fraction of the highest, and `losses` by epoch, for each seed."""
    figure = Figure(figsize=(10, 8), layout="constrained")
    columns = -(-len(rates) // 2)
    grid = figure.add_gridspec(3, columns, height_ratios=[1, 1, 1.8])
    below = figure.add_subplot(grid[2, :])
    for index, (name, taken) in enumerate(rates.items()):
        epochs = len(losses[name][0])
        axes = figure.add_subplot(grid[index // columns, index % columns])
        positions = [epochs * step / len(taken) for step in range(len(taken))]
        axes.plot(positions, taken, color=f"C{index}")
        axes.set(
            title=name.replace(", ", ",\n"),
            ylim=(-0.03, 1.08),
            xlim=(0, epochs),
            yticks=[0, 0.5, 1],
        )
        axes.set_xticks([0, epochs // 2, epochs])
        if index >= columns:
            axes.set_xlabel("epoch")
        mean = [sum(at) / len(at) for at in zip(*losses[name], strict=True)]
        below.plot(
            range(1, epochs + 1),
            mean,
            color=f"C{index}",
            linestyle=LINE_STYLES[index],
            label=f"{name}: {mean[-1]:.4f}",
        )
    below.set_yscale("log")
    below.set(title="loss of a small net (nats)", xlabel="epoch")
    below.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=3, frameon=False)
    figure.savefig(path)


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
    axes.legend()
    figure.savefig(path)
