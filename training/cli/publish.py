"""`deepshelf train publish`, `publish-pretrained`, `quantize` and `ensemble`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from training.cli.options import DEFAULT_STORE, SetOption, StoreOption
from training.cli.torch_commands import TorchCommands

publishing = TorchCommands()

_NameOption = Annotated[
    str, typer.Option(help="Name of the published model: 3–64 of a-z, 0-9 and hyphens.")
]


@publishing.command()
def publish(
    run: Annotated[
        str, typer.Argument(help="Folder of the run; with --checkpoint, a recipe's name or path.")
    ],
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="File of weights that were trained elsewhere, for the recipe's network: "
            ".safetensors, .pt, .pth, .h5 or .onnx."
        ),
    ] = None,
    override: SetOption = None,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Export a run's network, verify it, measure it, and add it to the model store."""
    from training.config.recipe import load_recipe, load_run_recipe
    from training.publish.publisher import publish_run
    from training.workflows.saved_weights import publish_weights

    if checkpoint is not None:
        folder = publish_weights(load_recipe(run, override or ()), checkpoint, store)
    elif override:
        raise typer.BadParameter("--set changes a recipe, and needs --checkpoint")
    else:
        folder = publish_run(load_run_recipe(Path(run)), Path(run), store)
    typer.echo(f"published {folder}")


@publishing.command("publish-pretrained")
def publish_pretrained(
    network: Annotated[
        str,
        typer.Argument(
            help="Name of a classifier in torchvision, or timm/NAME with --weights-path."
        ),
    ],
    weights_path: Annotated[
        Path | None,
        typer.Option(help="State dict to load in place of torchvision's weights."),
    ] = None,
    preprocessing: Annotated[
        Literal["torchvision", "tensorflow"],
        typer.Option(help="Scaling of pixels and padding that the weights were trained with."),
    ] = "torchvision",
    name: Annotated[
        str | None, typer.Option(help="Name of the published model.", show_default="by network")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Publish a classifier of ImageNet's 1,000 classes with pretrained weights."""
    from training.workflows.publish_imagenet import publish_pretrained as run

    typer.echo(f"published {run(network, store, weights_path, preprocessing, name)}")


@publishing.command()
def quantize(
    name: Annotated[str, typer.Argument(help="Name of a published classifier or LSTM.")],
    version: Annotated[
        int | None, typer.Option(help="Version of the model.", show_default="the highest")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Add an int8 variant to a version, measure it, and serve the better variant by default."""
    from training.publish.quantization.quantize import quantize_version

    result = quantize_version(name, store, version=version)
    (variant,) = result.manifest.variants
    typer.echo(f"int8: {result.int8_bytes:,} bytes, fp32: {result.fp32_bytes:,} bytes")
    typer.echo(f"int8 is {variant.speedup:.2f} times as fast on one thread")
    for metric in result.manifest.metrics:
        if metric.precision == "int8":
            typer.echo(f"{metric.name} {metric.value:.4f} (n = {metric.n:,}): {metric.note}")
    typer.echo(f"{result.manifest.served} is the default precision; published to {result.folder}")


@publishing.command()
def ensemble(
    runs: Annotated[list[Path], typer.Argument(help="Folders of two or more classifiers' runs.")],
    name: _NameOption,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Publish several trained classifiers as one model that averages their probabilities."""
    from training.workflows.ensemble import publish_ensemble

    typer.echo(f"published {publish_ensemble(runs, name, store)}")
