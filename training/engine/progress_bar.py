"""The live picture of a run: epoch, batch, loss and metric as they move, time left."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

__all__ = ["TrainingProgress"]


class TrainingProgress:
    """A bar over all steps of a run on a terminal; a line per epoch stays above it, or in a log."""

    def __init__(
        self, name: str, epochs: int, steps: int, completed_epochs: int, show: bool
    ) -> None:
        self._console = Console(quiet=not show, highlight=False)
        self._epochs = epochs
        self._steps = steps
        self._bars = Bars(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            # Last, so that a narrow terminal cuts figures off and never the time that is left.
            TextColumn("{task.fields[live]}"),
            console=self._console,
            # Redrawing is only for a terminal; a log file gets the epoch lines alone.
            disable=not (show and self._console.is_terminal),
        )
        self._name = name
        self._completed_steps = completed_epochs * steps
        self._task = self._bars.add_task(
            name, total=epochs * steps, completed=self._completed_steps, live=""
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def on_step(self, means: dict[str, float]) -> None:
        """One more step is done; `means` are over this epoch's steps so far."""
        epoch, batch = divmod(self._completed_steps, self._steps)
        self._completed_steps += 1
        self._bars.update(
            self._task,
            advance=1,
            description=f"{self._name}  epoch {epoch + 1}/{self._epochs}  batch {batch + 1}",
            live="  ".join(f"{name} {value:.4f}" for name, value in means.items()),
        )

    def on_epoch_end(self, row: dict[str, float]) -> None:
        """An epoch is over: a line that stays."""
        scores = "  ".join(
            f"{name} {value:.4g}" for name, value in row.items() if name not in ("epoch", "seconds")
        )
        self._console.print(
            f"epoch {row['epoch']:.0f}/{self._epochs}  {scores}  {row['seconds']:.0f} s",
            soft_wrap=True,
        )
