"""The `deepshelf` command: `serve`, `models …` and `train …`.

Each of the three is imported when it is invoked or completed, so that `deepshelf --help` is fast
and a missing optional package affects only the commands that need it.
"""

from importlib import import_module
from importlib.metadata import version
from typing import Annotated

import typer
from typer.core import TyperGroup

_COMMANDS = {
    "serve": ("service.cli", "Serve the published models over REST."),
    "models": ("models_store.cli", "List, show, verify, add, export and import published models."),
    "train": ("training.cli.main", "Train networks by recipes and publish them."),
}
"""The module whose `app` is the command, and the command's line in `deepshelf --help`."""


class _LazyGroup(TyperGroup):
    """A group that shows its declared commands in its own help, and imports the one that runs."""

    def resolve_command(self, ctx, args):  # type: ignore[no-untyped-def]  # typer's are private
        name, command, rest = super().resolve_command(ctx, args)
        return name, _load(name) if name and command else command, rest


def _load(name: str) -> object:
    module = _COMMANDS[name][0]
    try:
        return typer.main.get_command(import_module(module).app)
    except ModuleNotFoundError as error:
        # The image of the service is built without the package `training`.
        if error.name != module.partition(".")[0]:
            raise
        typer.echo(f"error: this installation has no package {error.name!r}", err=True)
        raise typer.Exit(1) from None


app = typer.Typer(
    cls=_LazyGroup,
    name="deepshelf",
    help="Train small deep networks, publish them, and serve them and other ONNX models over REST.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"deepshelf {version('deepshelf')}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass


def _imported_when_invoked() -> None:
    """Stand in for a command in the group's help."""


for _name, (_, _help) in _COMMANDS.items():
    app.command(_name, help=_help)(_imported_when_invoked)


def main() -> None:
    """Run the command line."""
    app(prog_name="deepshelf")
