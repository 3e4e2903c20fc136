"""`deepshelf train transfer`."""

from pathlib import Path
from typing import Annotated

import typer

from training.cli.options import DEFAULT_STORE, RunDirOption, SetOption, StoreOption
from training.cli.torch_commands import TorchCommands, resumable
from training.errors import DataError

transferring = TorchCommands()

_DEFAULT_RECIPE = "mobilenet-hymenoptera"


@transferring.command()
def transfer(
    photos: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Folders with one subfolder of photographs per class: JPEG, PNG, WebP, AVIF, and "
            "HEIC with deepshelf[heif].",
            show_default="the recipe's folders",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the published model.", show_default="the recipe's")
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="Number of cross-validation folds.")] = 5,
    frozen_only: Annotated[
        bool,
        typer.Option("--frozen-only", help="Train only the head, in seconds instead of minutes."),
    ] = False,
    recipe: Annotated[
        str, typer.Option(help="Name of a built-in recipe, or path of a YAML file.")
    ] = _DEFAULT_RECIPE,
    override: SetOption = None,
    run_dir: RunDirOption = None,
    store: StoreOption = DEFAULT_STORE,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an interrupted transfer of the same name.")
    ] = False,
) -> None:
    """Fine-tune a pretrained network on your own classes, cross-validate it and publish it.

    Interrupt it at any time; `--resume` continues.
    """
    import logging

    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    from training.config.recipe import load_recipe
    from training.workflows.transfer import adapt_recipe, transfer_command
    from training.workflows.transfer import transfer as run

    # Fabric logs its precision at every start: twelve times in a cross-validation.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    adapted = adapt_recipe(
        load_recipe(recipe, override or ()),
        photos or (),
        name,
        folds=folds,
        frozen_only=frozen_only,
        console=console,
    )
    folder = _choose_run_dir(run_dir or Path("runs") / adapted.name, resume=resume)
    with resumable(folder):
        result = run(
            adapted,
            folder,
            store,
            command=transfer_command(
                photos or (), name, folds, frozen_only, recipe, override or ()
            ),
            console=console,
            resume=resume,
        )
    for stage in result.cross_validation.stages:
        mean, deviation = result.cross_validation.accuracy(stage)
        typer.echo(
            f"{stage:12} {mean:6.1%} ± {deviation:.1%} of {result.cross_validation.n} held-out "
            "photos"
        )
    typer.echo(f"published {result.version} after {result.seconds:,.0f} s")


def _choose_run_dir(folder: Path, *, resume: bool) -> Path:
    """Return the first new one of `folder`, `folder-2` … or, to resume, the last that exists."""
    newest = None
    for path in (folder, *(folder.with_name(f"{folder.name}-{i}") for i in range(2, 10_000))):
        if not path.exists():
            break
        newest = path
    if not resume:
        return path
    if newest is None:
        raise DataError(f"{folder} does not exist: there is no transfer to continue")
    return newest
