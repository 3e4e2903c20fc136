"""`deepshelf train fit`, `evaluate` and `distances`."""

from itertools import chain
from pathlib import Path
from typing import Annotated, Literal

import typer

from training.cli.options import RecipeArgument, RunArgument, RunDirOption, SetOption
from training.cli.torch_commands import TorchCommands, fast_imports, resumable

fitting = TorchCommands()


@fitting.command()
def fit(
    recipe: RecipeArgument,
    override: SetOption = None,
    run_dir: RunDirOption = None,
    resume: Annotated[bool, typer.Option(help="Continue after the last completed epoch.")] = False,
    devices: Annotated[int, typer.Option(min=1, help="Number of processes on each node.")] = 1,
    nodes: Annotated[
        int, typer.Option(min=1, help="Number of nodes; start the command on each with torchrun.")
    ] = 1,
    strategy: Annotated[
        Literal["auto", "ddp"], typer.Option(help="How several devices work together.")
    ] = "auto",
    accelerator: Annotated[
        Literal["auto", "cpu", "gpu"], typer.Option(help="Kind of device to train on.")
    ] = "auto",
    logger: Annotated[
        Literal["tensorboard", "mlflow", "wandb"] | None,
        typer.Option(
            help="Experiment tracker to log to, besides metrics.csv.", show_default="none"
        ),
    ] = None,
) -> None:
    """Train a network by a recipe. Interrupt it at any time; `--resume` continues."""
    with fast_imports():
        from training.config.recipe import load_recipe
        from training.engine.distributed import DistributedConfig
        from training.engine.trainer import fit as run

    loaded = load_recipe(recipe, override or ())
    folder = run_dir or Path("runs") / loaded.name
    with resumable(folder):
        result = run(
            loaded,
            folder,
            resume=resume,
            distributed=DistributedConfig(devices, nodes, strategy),
            accelerator=accelerator,
            tune_threads=True,
            logger=logger,
        )
    if not result.is_rank_zero:
        return
    typer.echo(f"{len(result.log)} epochs in {result.seconds:,.0f} s, written to {folder}")
    typer.echo(f"next: deepshelf train publish {folder}")


@fitting.command()
def evaluate(
    run: RunArgument,
    split: Annotated[
        Literal["train", "validation", "test"] | None,
        typer.Option(
            help="Split to evaluate on.", show_default="test; validation for texts, which lack it"
        ),
    ] = None,
) -> None:
    """Measure a run's network on a whole split, in the precision of its training."""
    from training.config.recipe import load_run_recipe
    from training.engine.trainer import restore
    from training.tasks.base import held_out_split

    task = restore(load_run_recipe(run), run).task
    for name, score in task.evaluate(split or held_out_split(task)).items():
        typer.echo(f"{name:32} {score:.4f}")


@fitting.command()
def distances(
    run: RunArgument,
    count: Annotated[int, typer.Option(min=8, help="Number of images on each side.")] = 5000,
) -> None:
    """Compare generated images with real images. Needs ImageNet weights."""
    from training.engine.trainer import load_adversarial_task
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
