"""`python -m training`: the commands, and how their errors are reported.

Commands import what they need when they run, so that `--help` does not load torch.
"""

import os
import sys

import typer

from models_store.errors import StoreError
from training.cli.fit import fitting
from training.cli.list import listing
from training.cli.plot import plot
from training.cli.publish import publishing
from training.cli.transfer import transferring
from training.cli.weights import weights
from training.errors import TrainingError

__all__ = ["app", "main"]

app = typer.Typer(
    help="Train small deep networks and publish them to a model store.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for _commands in (listing, fitting, publishing, transferring, weights):
    app.add_typer(_commands)
app.add_typer(plot, name="plot")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line. Expected errors are reported on one line, without a traceback."""
    # OpenMP's threads spin while they wait by default, which slows down every process on a busy
    # machine. The runtime reads the variable when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        app(args=arguments)
    except (TrainingError, StoreError, OSError) as error:
        typer.echo(f"error: {' '.join(str(error).split())}", err=True)
        sys.exit(1)
