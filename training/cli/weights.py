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
    from training.config.recipe import load_recipe as read
    from training.pretrained.files import save_network as write
    from training.pretrained.from_runs import example_input, network_from_run

    recipe = read(str(run / "recipe.yaml"))
    task, network = network_from_run(recipe, run)
    definition = None if weights_only else recipe.network.model_dump(mode="json")
    write(network, to, definition, example_input(task) if to.suffix == ".onnx" else None)
    saved_parts = "the weights" if weights_only else f"the {recipe.network.kind} and its weights"
    typer.echo(f"saved {saved_parts} in {to}, {to.stat().st_size:,} bytes")


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
    from training.pretrained.files import load_weights_file as read
    from training.pretrained.from_runs import (
        build_from_definition,
        describe_layers,
        evaluate_weights,
    )
    from training.pretrained.state import load_into

    weights_file = read(file)
    if into is None:
        network = build_from_definition(weights_file, file)
        load_into(network, weights_file.tensors, file)
        for name, shapes in describe_layers(network).items():
            typer.echo(f"{name:32} {shapes}")
        total = sum(parameter.numel() for parameter in network.parameters())
        typer.echo(f"{total:,} parameters; all of {file} fits")
        return
    for name, score in evaluate_weights(into, weights_file, file).items():
        typer.echo(f"{name:32} {score:.4f}")
