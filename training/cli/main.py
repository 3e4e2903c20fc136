"""`deepshelf train …`: the commands, and how their errors are reported.

Commands import what they need when they run, so that `--help` does not load torch.
"""

import typer

from models_store.command_line import CommandGroup
from training.cli.fit import fitting
from training.cli.list import listing
from training.cli.plot import plot
from training.cli.publish import publishing
from training.cli.transfer import transferring
from training.cli.weights import weights
from training.errors import TrainingError


class _TrainingGroup(CommandGroup):
    expected_errors = (*CommandGroup.expected_errors, TrainingError)
    extra = "training"


app = typer.Typer(
    cls=_TrainingGroup,
    help="Train small deep networks and publish them to a model store.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for _commands in (listing, fitting, publishing, transferring, weights):
    app.add_typer(_commands)
app.add_typer(plot, name="plot")
