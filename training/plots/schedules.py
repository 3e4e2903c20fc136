"""Learning-rate schedules over a run, and the losses under them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

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
        axes.grid(alpha=0.3)
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
    below.grid(alpha=0.3)
    below.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=3, frameon=False)
    figure.savefig(path)
