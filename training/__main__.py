"""`python -m training`: list, fit, evaluate, publish, save, load, plot, and more."""

import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from models_store.errors import StoreError
from training.cli.options import RecipeArgument, SetOption
from training.cli.plot import plot
from training.cli.weights import weights
from training.errors import TrainingError

if TYPE_CHECKING:
    from training.config.recipe import Recipe

# Commands import what they need themselves: `--help` then answers without loading torch.

app = typer.Typer(
    help="Train small deep networks and publish them on the shelf.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(plot, name="plot")
app.add_typer(weights)

RunDirOption = Annotated[
    Path | None, typer.Option(help="the run's folder; runs/NAME when left out")
]
StoreOption = Annotated[Path, typer.Option(envvar="DEEPSHELF_STORE", help="the shelf")]
DEFAULT_STORE = Path("models_store")
_DEFAULT_TRANSFER_RECIPE = "mobilenet-hymenoptera"


@app.command("list")
def list_models(
    store: StoreOption = DEFAULT_STORE,
    table: Annotated[
        Literal["resnet"] | None,
        typer.Option(help="show instead the paper's table of these networks, ours beside it"),
    ] = None,
) -> None:
    """Show the recipes there are, and what is on the shelf: figures, targets and anchors."""
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
        typer.echo(f"\n{store} is no folder: --store says where the shelf is")
        return
    typer.echo()
    # What is piped is read by a program, or by a pager that scrolls sideways: no folding there.
    width = None if sys.stdout.isatty() else 200
    Console(highlight=False, width=width).print(store_table(store, load_targets()))


@app.command()
def fit(
    recipe: RecipeArgument,
    override: SetOption = None,
    run_dir: RunDirOption = None,
    resume: Annotated[bool, typer.Option(help="continue after the last completed epoch")] = False,
    devices: Annotated[int, typer.Option(min=1, help="processes on each node")] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="machines; start each by torchrun")] = 1,
    strategy: Annotated[
        Literal["auto", "ddp"], typer.Option(help="how several devices work together")
    ] = "auto",
    accelerator: Annotated[
        Literal["auto", "cpu", "gpu"], typer.Option(help="what a device is")
    ] = "auto",
) -> None:
    """Train as a recipe says. Interrupt at any time; `--resume` goes on."""
    from training.config.recipe import load_recipe
    from training.engine.distributed import DistributedConfig
    from training.engine.trainer import fit as run

    loaded = load_recipe(recipe, override or ())
    folder = run_dir or _run_dir(loaded.name)
    distributed = DistributedConfig(devices, nodes, strategy)
    result = run(loaded, folder, resume=resume, distributed=distributed, accelerator=accelerator)
    if not result.is_rank_zero:
        return
    typer.echo(f"{len(result.log)} epochs in {result.seconds:,.0f} s; everything is in {folder}")
    typer.echo(f"next: python -m training publish {folder}")


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="a run's folder")],
    split: Annotated[
        Literal["train", "validation", "test"] | None,
        typer.Option(help="the test set when left out; of a text, its held-out part"),
    ] = None,
) -> None:
    """Measure a run's network on a whole split, in the precision that it was trained in."""
    from training.engine.trainer import restore

    task = restore(_load_run_recipe(run), run).task
    # A text has no test set: by custom its last part, which chooses nothing but the epoch, is it.
    selected_split = split or ("test" if task.has_split("test") else "validation")
    for name, score in task.evaluate(selected_split).items():
        typer.echo(f"{name:32} {score:.4f}")


@app.command()
def distances(
    run: Annotated[Path, typer.Argument(help="the folder of a run of the task adversarial")],
    count: Annotated[int, typer.Option(min=8, help="pictures on either side")] = 5000,
) -> None:
    """Compare what a generator draws with real pictures; needs ImageNet weights."""
    from training.engine.runs import load_adversarial_task
    from training.metrics.feature_extractor import MobileNetFeatures
    from training.metrics.generative import compare_to_training
    from training.metrics.independent_metrics import independent_metrics

    extract_features = MobileNetFeatures()
    task = load_adversarial_task(run)
    generated, latent = task.generate_images(count, seed=0), task.network_config.latent
    for metric in chain(
        independent_metrics(task.data, generated, task.generate_from, latent),
        compare_to_training(task.data, generated, extract_features),
    ):
        typer.echo(f"{metric.name:28} {metric.value:10.4f}   n {metric.n:,}: {metric.note}")


@app.command()
def publish(
    run: Annotated[Path, typer.Argument(help="a run's folder")], store: StoreOption = DEFAULT_STORE
) -> None:
    """Export a run's network, check it, measure it, and put it on the shelf."""
    from training.publish.publisher import publish_run as put

    typer.echo(f"published {put(_load_run_recipe(run), run, store)}")


@app.command("publish-pretrained")
def publish_pretrained(
    network: Annotated[
        Literal["mobilenet_v2", "mobilenet_v3_large", "resnet18", "resnet50"],
        typer.Argument(help="as torchvision calls it"),
    ],
    weights_path: Annotated[
        Path | None,
        typer.Option(help="a state dict for it, instead of fetching torchvision's weights"),
    ] = None,
    preprocessing: Annotated[
        Literal["torchvision", "tensorflow"],
        typer.Option(help="what the weights were trained with: scaling of pixels, and padding"),
    ] = "torchvision",
    name: Annotated[str | None, typer.Option(help="what the model is called on the shelf")] = None,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Put a classifier of ImageNet's 1,000 classes on the shelf, trained by others."""
    from training.workflows.publish_imagenet import publish_pretrained as put

    version = put(network, store, weights_path, preprocessing, name)
    typer.echo(f"published {version}")


@app.command()
def quantize(
    name: Annotated[str, typer.Argument(help="a classifier or an LSTM on the shelf")],
    version: Annotated[int | None, typer.Option(help="the highest when left out")] = None,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Put an int8 variant beside a version's graphs, measure it, and let the better one answer."""
    from training.publish.quantization.quantize import quantize_version as run

    result = run(name, store, version=version)
    (variant,) = result.manifest.variants
    typer.echo(f"{result.int8_bytes:,} bytes instead of {result.fp32_bytes:,}")
    typer.echo(f"{variant.speedup:.2f} times as fast, one thread")
    for metric in result.manifest.metrics:
        if metric.precision == "int8":
            typer.echo(f"{metric.name} {metric.value:.4f} (n = {metric.n:,}): {metric.note}")
    typer.echo(f"{result.manifest.served} answers where nobody asks; it lies in {result.folder}")


@app.command()
def ensemble(
    runs: Annotated[list[Path], typer.Argument(help="folders of classifiers' runs, two or more")],
    name: Annotated[str, typer.Option(help="what the model is called on the shelf")],
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Put several trained classifiers on the shelf as one that averages their answers."""
    from training.workflows.ensemble import publish_ensemble

    typer.echo(f"published {publish_ensemble(runs, name, store)}")


@app.command()
def transfer(
    photos: Annotated[
        list[Path] | None,
        typer.Argument(
            help="folders that hold a folder of photographs per class; the recipe's when left out"
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="what the model is called on the shelf")] = None,
    folds: Annotated[int, typer.Option(min=2, help="of the cross-validation")] = 5,
    frozen_only: Annotated[
        bool, typer.Option("--frozen-only", help="train the head alone: seconds, not minutes")
    ] = False,
    recipe: Annotated[
        str, typer.Option(help="how to train; name or YAML file")
    ] = _DEFAULT_TRANSFER_RECIPE,
    override: SetOption = None,
    run_dir: RunDirOption = None,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Teach a network that knows photographs your own classes, measure it, publish it."""
    import logging

    from rich.console import Console

    from training.config.recipe import load_recipe
    from training.workflows.transfer import adapt_recipe, transfer_command
    from training.workflows.transfer import transfer as run

    # Fabric announces its precision every time: twelve times in a cross-validation.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    console = Console(highlight=False, soft_wrap=True)
    adapted = adapt_recipe(
        load_recipe(recipe, override or ()),
        photos or (),
        name,
        folds=folds,
        frozen_only=frozen_only,
        console=console,
    )
    result = run(
        adapted,
        _first_unused_dir(run_dir or _run_dir(adapted.name)),
        store,
        command=transfer_command(photos or (), name, folds, frozen_only, recipe, override or ()),
        console=console,
    )
    for stage in result.cross_validation.stages:
        mean, deviation = result.cross_validation.accuracy(stage)
        typer.echo(
            f"{stage:12} {mean:6.1%} ± {deviation:.1%} of {result.cross_validation.n} held-out "
            "photos"
        )
    typer.echo(f"published {result.version} after {result.seconds:,.0f} s")


def _run_dir(name: str) -> Path:
    return Path("runs") / name


def _first_unused_dir(folder: Path) -> Path:
    """`folder`, or the first of `folder-2`, `folder-3` … that does not exist yet."""
    candidates = (folder, *(folder.with_name(f"{folder.name}-{i}") for i in range(2, 10_000)))
    return next(path for path in candidates if not path.exists())


def _load_run_recipe(run: Path) -> "Recipe":
    from training.config.recipe import load_recipe

    return load_recipe(str(run / "recipe.yaml"))


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; an expected error is one line, not a traceback."""
    try:
        app(args=arguments)
    except (TrainingError, StoreError, OSError) as error:
        typer.echo(f"error: {' '.join(str(error).split())}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
