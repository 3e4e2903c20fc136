"""`deepshelf train list`."""

import sys
from typing import Annotated, Literal

import typer

from training.cli.options import DEFAULT_STORE, StoreOption

listing = typer.Typer()


@listing.command("list")
def list_models(
    store: StoreOption = DEFAULT_STORE,
    table: Annotated[
        Literal["resnet"] | None,
        typer.Option(help="Show only the paper's table of these networks, with our counts."),
    ] = None,
) -> None:
    """List the recipes, and the published models with their metrics and targets."""
    if table is not None:
        from training.course.resnet_table import format_table as resnet_table

        typer.echo(resnet_table())
        return
    from rich.console import Console

    from training.config.recipe import built_in_recipes, load_recipe
    from training.reports.targets import load_targets, store_table

    for name in built_in_recipes():
        recipe = load_recipe(name)
        typer.echo(f"{name:24} {recipe.task.kind:16} {recipe.publish.summary}")
    if not store.is_dir():
        typer.echo(f"\nno model store at {store}: pass its folder with --store")
        return
    typer.echo()
    # Piped output is read by a program or a pager that scrolls sideways, so it is not folded.
    width = None if sys.stdout.isatty() else 200
    Console(highlight=False, width=width).print(store_table(store, load_targets()))
