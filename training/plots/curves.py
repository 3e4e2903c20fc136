"""Learning curves of a run, from its CSV log."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from training.engine.csv_logger import read_log
from training.errors import DataError

__all__ = ["draw_training_curves"]

Columns = dict[str, list[tuple[int, float]]]


def draw_training_curves(log: Path, path: Path) -> None:
    """Draw the loss, every metric and the learning rate by epoch, one panel each.

    Raises:
        DataError: the log is missing or empty.
    """
    if not log.is_file():
        raise DataError(f"{log} does not exist; a run writes it after its first epoch")
    columns = _read(log)
    scores = sorted({_score(name) for name in columns} - {"loss", "seconds", "learning_rate"})
    panels = ["loss", *(score for score in scores if "/" not in score), "learning_rate"]
    figure = Figure(figsize=(3.6 * len(panels), 3.2), dpi=110, layout="constrained")
    for index, panel in enumerate(panels, start=1):
        _panel(figure.add_subplot(1, len(panels), index), panel, columns)
    figure.suptitle(log.parent.name)
    figure.savefig(path)


def _read(log: Path) -> Columns:
    try:
        columns = read_log(log)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{log} is not the log of a run: {error!r}") from error
    if not columns:
        raise DataError(f"{log} is empty; a run writes it after its first epoch")
    return columns


def _score(column: str) -> str:
    for split in ("train_", "validation_", "test_"):
        if column.startswith(split):
            return column.removeprefix(split)
    return column


def _panel(axes: Axes, panel: str, columns: Columns) -> None:
    for name, points in columns.items():
        if _score(name) == panel:
            epochs, values = zip(*points, strict=True)
            label = name.removesuffix(f"_{panel}")
            axes.plot(epochs, values, marker="." if len(points) < 40 else "", label=label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(title=panel.replace("_", " "), xlabel="epoch")
    axes.grid(alpha=0.3)
    if len(axes.lines) > 1:
        axes.legend()
