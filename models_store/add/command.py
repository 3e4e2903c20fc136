"""The command `deepshelf models add`: its options and its printed report."""

import math
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from models_store.command_line import printable
from models_store.errors import AddError
from models_store.manifest import Manifest

if TYPE_CHECKING:  # both import onnx, which only this command needs
    from models_store.add.prepare import Prepared

_CLASSIFIER = "Image classifiers"


def add(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="An ONNX file.")],
    name: Annotated[str, typer.Option(help="Name to publish the model under.")],
    sample: Annotated[
        Path | None,
        typer.Option(
            help="An .npz file with an array for each input, for the golden case. "
            "Default: inputs generated from the shapes of the graph."
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="A text file with one label per line. Makes the model an image classifier, "
            "which /v1/classify serves.",
            rich_help_panel=_CLASSIFIER,
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help="Side of the images, such as 224, or WIDTHxHEIGHT. Default: taken from the graph.",
            rich_help_panel=_CLASSIFIER,
        ),
    ] = None,
    resize: Annotated[
        Literal["crop", "stretch", "pad"],
        typer.Option(help="How images are resized.", rich_help_panel=_CLASSIFIER),
    ] = "crop",
    mean: Annotated[
        str,
        typer.Option(
            help="Subtracted after scaling: one number, or one for each channel, as in "
            "0.485,0.456,0.406.",
            rich_help_panel=_CLASSIFIER,
        ),
    ] = "0",
    std: Annotated[
        str,
        typer.Option(
            help="Divisor, after the mean is subtracted: one number, or one for each channel.",
            rich_help_panel=_CLASSIFIER,
        ),
    ] = "1",
    scale: Annotated[
        str,
        typer.Option(
            help="Factor of the pixels (0 to 255), applied first: a number or a fraction.",
            rich_help_panel=_CLASSIFIER,
        ),
    ] = "1/255",
    layout: Annotated[
        Literal["nchw", "nhwc"] | None,
        typer.Option(
            help="Order of the dimensions. Default: taken from the graph.",
            rich_help_panel=_CLASSIFIER,
        ),
    ] = None,
    channels: Annotated[
        Literal["rgb", "bgr"],
        typer.Option(help="Order of the colours.", rich_help_panel=_CLASSIFIER),
    ] = "rgb",
    softmax: Annotated[
        bool,
        typer.Option("--softmax", help="The graph returns logits.", rich_help_panel=_CLASSIFIER),
    ] = False,
    samples: Annotated[
        list[Path] | None,
        typer.Option(
            help="A photo or a folder of photos, whose predicted labels are printed. "
            "May be repeated.",
            rich_help_panel=_CLASSIFIER,
        ),
    ] = None,
    summary: Annotated[str | None, typer.Option(help="One sentence for the model's card.")] = None,
    licence: Annotated[str, typer.Option(help="Licence of the model.")] = "not stated",
    new_version: Annotated[
        bool, typer.Option("--new-version", help="Add a version to an existing name.")
    ] = False,
    time_limit: Annotated[
        float, typer.Option(min=1, help="Seconds that the first runs of the graph may take.")
    ] = 120.0,
) -> None:
    """Publish an ONNX model made elsewhere; a running service loads it automatically."""
    if find_spec("onnx") is None:
        raise AddError("adding a model needs the package onnx: pip install 'deepshelf[import]'")
    from models_store.add.classification import ClassifierOptions, read_labels
    from models_store.add.publish import AddOptions, add_model

    classifier = None
    if labels is not None:
        if sample is not None:
            raise AddError("--sample is for models without --labels; give --samples PHOTOS")
        classifier = ClassifierOptions(
            labels=read_labels(labels),
            size=None if size is None else _parse_size(size),
            resize=resize,
            mean=_parse_numbers("--mean", mean),
            std=_parse_numbers("--std", std),
            scale=_parse_numbers("--scale", scale)[0],
            layout=layout,
            channels=channels,
            softmax=softmax,
        )
    elif named := _given_options(context, _CLASSIFIER):
        raise AddError(f"{', '.join(named)}: only for image classifiers, which --labels FILE makes")
    options = AddOptions(
        name, sample, classifier, samples or (), summary, licence, new_version, time_limit
    )
    manifest, prepared = add_model(context.obj.store, file, options)
    for line in _findings(manifest, prepared):
        typer.echo(printable(line))


def _given_options(context: typer.Context, panel: str) -> list[str]:
    """Return the options of `panel` that the command line has."""
    return [
        option.opts[0]
        for option in context.command.params
        if getattr(option, "rich_help_panel", None) == panel
        and (source := context.get_parameter_source(str(option.name))) is not None
        and source.name == "COMMANDLINE"
    ]


def _parse_size(text: str) -> tuple[int, int]:
    """Return height and width."""
    width, _, height = text.lower().partition("x")
    if not (
        width.isdecimal() and (height or width).isdecimal() and int(width) and int(height or 1)
    ):
        raise AddError(f"--size is {text!r}; expected a number such as 224, or 320x240")
    return int(height or width), int(width)


def _parse_numbers(option: str, text: str) -> list[float]:
    try:
        numbers = [_parse_number(part) for part in text.split(",")]
    except (ValueError, ZeroDivisionError):
        numbers = []
    if not numbers or not all(map(math.isfinite, numbers)):
        raise AddError(f"{option} is {text!r}; expected numbers such as 0.485,0.456,0.406 or 1/255")
    return numbers


def _parse_number(text: str) -> float:
    dividend, slash, divisor = text.partition("/")
    return float(dividend) / (float(divisor) if slash else 1)


def _findings(manifest: Manifest, prepared: "Prepared") -> Iterator[str]:
    from models_store.add.publish import format_spec

    graph = manifest.graphs()["model"]
    opset = manifest.provenance.recipe["opset"]
    operators = Counter(node.op_type for node in prepared.model.graph.node)
    for spec in graph.inputs:
        yield f"input       {format_spec(spec)}"
    for spec in graph.outputs:
        yield f"output      {format_spec(spec)}"
    for name, labels in prepared.columns.items():
        yield f"columns     {name}: {', '.join(labels[:10])}{', …' if len(labels) > 10 else ''}"
    yield f"opset       {', '.join(f'{domain} {number}' for domain, number in opset.items())}"
    yield f"operators   {', '.join(f'{name} {count}' for name, count in operators.most_common(8))}"
    yield f"parameters  {manifest.parameters:,} in {graph.bytes:,} bytes"
    yield f"one run     {prepared.trial.milliseconds:.3g} ms on one thread"
    yield f"batch       {_describe_batch(manifest, prepared)}"
    for photo, labels_ in prepared.photos.items():
        yield f"sample      {photo.name}: {labels_}"
    yield f"published   {manifest.name} {manifest.version} ({manifest.task.kind})"


def _describe_batch(manifest: Manifest, prepared: "Prepared") -> str:
    if not prepared.trial.rows_are_independent:
        return "each request runs by itself: the rows of the graph are not independent"
    batching = manifest.batching.get("model.onnx")
    if batching is None or batching.max_batch_size == 1:
        return "any number of rows"
    return f"any number of rows; up to {batching.max_batch_size} of several requests run together"
