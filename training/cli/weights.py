"""`deepshelf train save`, `load` and `interpolate`."""

from pathlib import Path
from typing import Annotated

import typer

from training.cli.options import RunArgument
from training.cli.torch_commands import TorchCommands

weights = TorchCommands()


@weights.command("save")
def save(
    run: RunArgument,
    to: Annotated[
        Path, typer.Argument(help="File to write; ends in .safetensors, .h5, .hdf5 or .onnx.")
    ],
    weights_only: Annotated[
        bool, typer.Option("--weights-only", help="Leave out the network's definition.")
    ] = False,
) -> None:
    """Write a run's network to a file: the definition and the weights, or the weights alone."""
    from training.config.recipe import load_run_recipe
    from training.pretrained.files import save_network
    from training.workflows.saved_weights import example_input, network_from_run

    recipe = load_run_recipe(run)
    task, network = network_from_run(recipe, run)
    definition = None if weights_only else recipe.network.model_dump(mode="json")
    save_network(network, to, definition, example_input(task) if to.suffix == ".onnx" else None)
    saved_parts = "the weights" if weights_only else f"the {recipe.network.kind} and its weights"
    typer.echo(f"saved {saved_parts} in {to}, {to.stat().st_size:,} bytes")


@weights.command("load")
def load(
    file: Annotated[Path, typer.Argument(help="File that `save` wrote, or a file of weights.")],
    into: Annotated[
        str | None,
        typer.Option(
            help="Name or path of a recipe: load the weights into its network and measure it on "
            "its test set."
        ),
    ] = None,
) -> None:
    """Load weights into a network and list its layers, or report what does not fit."""
    from training.pretrained.files import load_weights_file
    from training.pretrained.state import load_into
    from training.workflows.saved_weights import (
        build_from_definition,
        describe_layers,
        evaluate_weights,
    )

    weights_file = load_weights_file(file)
    if into is None:
        network = build_from_definition(weights_file, file)
        load_into(network, weights_file.tensors, file)
        for name, shapes in describe_layers(network).items():
            typer.echo(f"{name:32} {shapes}")
        total = sum(parameter.numel() for parameter in network.parameters())
        typer.echo(f"{total:,} parameters; all tensors of {file} fit")
        return
    for name, score in evaluate_weights(into, weights_file, file).items():
        typer.echo(f"{name:32} {score:.4f}")


@weights.command("interpolate")
def interpolate(
    first: Annotated[Path, typer.Argument(help="File that `save` wrote.")],
    second: Annotated[Path, typer.Argument(help="Weights of the same network, trained on.")],
    to: Annotated[Path, typer.Argument(help="File to write.")],
    share: Annotated[
        float, typer.Option(min=0, max=1, help="0 gives the first weights, 1 the second.")
    ] = 0.5,
) -> None:
    """Write the weights between two: fine-tuned ones forget less (WiSE-FT, arXiv 2109.01903)."""
    from training.pretrained.files import load_weights_file, save_network
    from training.pretrained.state import interpolate, load_into
    from training.workflows.saved_weights import build_from_definition

    start, end = load_weights_file(first), load_weights_file(second)
    network = build_from_definition(start, first)
    for weights_file, file in ((start, first), (end, second)):
        load_into(network, weights_file.tensors, file)
    load_into(network, interpolate(start.tensors, end.tensors, share), to)
    save_network(network, to, start.definition)
    typer.echo(f"saved {share:g} of the way from {first} to {second} in {to}")
