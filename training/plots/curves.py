"""Learning curves of a run, from its CSV log."""

from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from training.engine.csv_logger import read_log
from training.errors import DataError
from training.plots.style import DOCUMENT_STYLE

_COLORS = {"train": "C0", "validation": "C1", "test": "C2"}

Columns = dict[str, list[tuple[int, float]]]


@rc_context(DOCUMENT_STYLE)
def draw_training_curves(log: Path, path: Path) -> None:
    """Draw the loss, every metric and the learning rate by epoch, one panel each.

    A split has the same colour in all panels. Loss and negative log likelihood are both in nats and
    share their axis's range, so that one can be read against the other.

    Raises:
        DataError: the log is missing or empty.
    """
    if not log.is_file():
        raise DataError(f"{log} does not exist; a run writes it after its first epoch")
    columns = _read(log)
    scores = sorted({_score(name) for name in columns} - {"loss", "seconds", "learning_rate"})
    panels = ["loss", *(score for score in scores if "/" not in score), "learning_rate"]
    figure = Figure(figsize=(3.6 * len(panels), 3.2), layout="constrained")
    axes_by_panel = {
        panel: _panel(figure.add_subplot(1, len(panels), index), panel, columns)
        for index, panel in enumerate(panels, start=1)
    }
    if "nll" in axes_by_panel:
        axes_by_panel["nll"].sharey(axes_by_panel["loss"])
        axes_by_panel["loss"].autoscale()
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


def _panel(axes: Axes, panel: str, columns: Columns) -> Axes:
    for name, points in columns.items():
        if _score(name) == panel:
            epochs, values = zip(*points, strict=True)
            split = name.removesuffix(f"_{panel}")
            marker = "." if len(points) < 40 else ""
            axes.plot(epochs, values, marker=marker, label=split, color=_COLORS.get(split, "C3"))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(title=panel.replace("_", " "), xlabel="epoch")
    if len(axes.lines) > 1:
        axes.legend()
    return axes
