"""Progress of a run: epoch, batch, loss, scores and remaining time."""

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)


class TrainingProgress(Progress):
    """Show a bar over all steps on a terminal, and print a line per epoch."""

    def __init__(
        self, name: str, epochs: int, steps: int, completed_epochs: int, show: bool
    ) -> None:
        console = Console(quiet=not show, highlight=False)
        super().__init__(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            # Last, so that a narrow terminal cuts off scores, not the remaining time.
            TextColumn("{task.fields[live]}"),
            console=console,
            # A log file gets only the epoch lines.
            disable=not (show and console.is_terminal),
        )
        self._name, self._epochs, self._steps = name, epochs, steps
        self._completed_steps = completed_epochs * steps
        self._bar = self.add_task(
            name, total=epochs * steps, completed=self._completed_steps, live=""
        )

    def on_step(self, means: dict[str, float]) -> None:
        """Advance by one step; `means` are averages over this epoch's steps so far."""
        epoch, batch = divmod(self._completed_steps, self._steps)
        self._completed_steps += 1
        self.update(
            self._bar,
            advance=1,
            description=f"{self._name}  epoch {epoch + 1}/{self._epochs}  batch {batch + 1}",
            live="  ".join(f"{name} {value:.4f}" for name, value in means.items()),
        )

    def on_epoch_end(self, row: dict[str, float]) -> None:
        """Print the scores of an epoch."""
        scores = "  ".join(
            f"{name} {value:.4g}" for name, value in row.items() if name not in ("epoch", "seconds")
        )
        self.console.print(
            f"epoch {row['epoch']:.0f}/{self._epochs}  {scores}  {row['seconds']:.0f} s",
            soft_wrap=True,
        )
