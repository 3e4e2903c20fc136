"""Learning-rate schedules over a run, and the losses under them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

__all__ = ["draw_schedules"]


def draw_schedules(
    rates: Mapping[str, Sequence[float]],
    losses: Mapping[str, Sequence[Sequence[float]]],
    path: Path,
) -> None:
    """Draw `rates` by step, as a fraction of the highest, and `losses` by epoch, for each seed."""
    figure = Figure(figsize=(12.5, 4.6), dpi=80, layout="constrained")
    columns = -(-len(rates) // 2)
    grid = figure.add_gridspec(2, columns + 2)
    below = figure.add_subplot(grid[:, columns:])
    for index, (name, taken) in enumerate(rates.items()):
        epochs = len(losses[name][0])
        axes = figure.add_subplot(grid[index // columns, index % columns])
        positions = [epochs * step / len(taken) for step in range(len(taken))]
        axes.plot(positions, taken, color=f"C{index}")
        axes.set(title=name, ylim=(-0.03, 1.08), xlim=(0, epochs), yticks=[0, 0.5, 1])
        axes.set_xticks([0, epochs // 2, epochs])
        axes.grid(alpha=0.3)
        if index >= columns:
            axes.set_xlabel("epoch")
        mean = [sum(at) / len(at) for at in zip(*losses[name], strict=True)]
        style = "--" if index >= columns + 2 else "-"
        label = f"{name}: {mean[-1]:.4f}"
        below.plot(range(1, epochs + 1), mean, color=f"C{index}", linestyle=style, label=label)
    below.set_yscale("log")
    below.set(title="loss of a small net (nats)", xlabel="epoch")
    below.grid(alpha=0.3)
    below.legend(fontsize=8)
    figure.savefig(path)
