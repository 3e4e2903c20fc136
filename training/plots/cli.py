"""`python -m training plot …`."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["plot"]

# Commands import what they need themselves: `--help` then answers without loading matplotlib.

plot = typer.Typer(help="Draw pictures of runs and of what training does.", no_args_is_help=True)


@plot.command()
def curves(
    run: Annotated[Path, typer.Argument(help="a run's folder")],
    to: Annotated[
        Path | None, typer.Option(help="the picture; curves.png in the run's folder")
    ] = None,
) -> None:
    """Draw loss, scores and learning rate by epoch."""
    from training.plots.curves import draw_curves

    path = to or run / "curves.png"
    draw_curves(run / "metrics.csv", path)
    typer.echo(f"drew {path}")
