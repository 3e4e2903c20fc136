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


ToOption = Annotated[Path, typer.Option(help="Image to write.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of weights and batches.")]
SeedsOption = Annotated[int, typer.Option(min=1, help="Number of runs to average.")]


def use_one_thread() -> None:
    """Use one thread: the course's networks are too small for more."""
    import torch

    torch.set_num_threads(1)
