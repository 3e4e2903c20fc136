"""`python -m training`: list, fit, evaluate, publish, plot."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from training.errors import TrainingError

app = typer.Typer(
    help="Train small deep networks and publish them on the shelf.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

RecipeArgument = Annotated[str, typer.Argument(help="a built-in recipe's name, or a YAML file")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="override one field, as a.b=c; may be repeated")
]
RunDirOption = Annotated[Path | None, typer.Option(help="where the run lies; runs/NAME if left out")]


@app.command("list")
def list_recipes() -> None:
    """The recipes that come with the package."""
    from training.recipe import built_in, load

    for name in built_in():
        typer.echo(f"{name:24} {load(name).publish.summary}")


@app.command()
def fit(
    recipe: RecipeArgument,
    override: SetOption = None,
    run_dir: RunDirOption = None,
    resume: Annotated[bool, typer.Option(help="continue after the last completed epoch")] = False,
) -> None:
    """Train as a recipe says."""
    from training.fit import fit as run
    from training.recipe import load

    loaded = load(recipe, override or ())
    run(loaded, run_dir or Path("runs") / loaded.name, resume=resume)


def main() -> None:
    """Run the command line; an expected error is one line, not a traceback."""
    try:
        app()
    except TrainingError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
