"""`python -m training save` and `load`."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["weights"]

# Commands import what they need themselves: `--help` then answers without loading torch.

weights = typer.Typer()


@weights.command("save")
def save(
    run: Annotated[Path, typer.Argument(help="a run's folder")],
    to: Annotated[Path, typer.Argument(help="FILE.safetensors, FILE.h5 or FILE.onnx")],
    weights_only: Annotated[
        bool, typer.Option("--weights-only", help="without the network's definition")
    ] = False,
) -> None:
    """Write a run's network to a file: the whole model, or its weights alone."""
    from training.config.recipe import load as read
    from training.pretrained.files import save as write
    from training.pretrained.from_runs import example, network_of

    recipe = read(str(run / "recipe.yaml"))
    task, network = network_of(recipe, run)
    definition = None if weights_only else recipe.network.model_dump(mode="json")
    write(network, to, definition, example(task) if to.suffix == ".onnx" else None)
    what = "the weights" if weights_only else f"the {recipe.network.kind} and its weights"
    typer.echo(f"saved {what} in {to}, {to.stat().st_size:,} bytes")


@weights.command("load")
def load(
    file: Annotated[Path, typer.Argument(help="what `save` wrote, or a file of such weights")],
    into: Annotated[
        str | None,
        typer.Option(
            help="a recipe, or a run's recipe.yaml: its network, measured on its test set"
        ),
    ] = None,
) -> None:
    """Put a file's weights into a network, or say what does not fit; list the layers."""
    from training.pretrained.files import load as read
    from training.pretrained.from_runs import layers, measure, whole
    from training.pretrained.state import fill

    saved = read(file)
    if into is None:
        network = whole(saved, file)
        fill(network, saved.tensors, file)
        for name, shapes in layers(network).items():
            typer.echo(f"{name:32} {shapes}")
        total = sum(parameter.numel() for parameter in network.parameters())
        typer.echo(f"{total:,} parameters; all of {file} fits")
        return
    for name, score in measure(into, saved, file).items():
        typer.echo(f"{name:32} {score:.4f}")
