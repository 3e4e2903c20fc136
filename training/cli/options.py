"""Arguments and options that several commands take."""

from typing import Annotated

import typer

__all__ = ["RecipeArgument", "SetOption"]

RecipeArgument = Annotated[str, typer.Argument(help="a built-in recipe's name, or a YAML file")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="override one field, as a.b=c; may be repeated")
]
