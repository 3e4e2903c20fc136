"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_STORE = Path("models_store")

RecipeArgument = Annotated[
    str, typer.Argument(help="Name of a built-in recipe, or path of a YAML file.")
]
RunArgument = Annotated[Path, typer.Argument(help="Folder of the run.")]
RunDirOption = Annotated[
    Path | None, typer.Option(help="Folder of the run.", show_default="runs/NAME")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override a field of the recipe, as a.b=c. May be repeated."),
]
StoreOption = Annotated[
    Path, typer.Option(envvar="DEEPSHELF_STORE", help="Folder of the published models.")
]
