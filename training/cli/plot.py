"""`deepshelf train plot …`.

Commands import what they need when they run, so that `--help` does not load matplotlib.
"""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from training.cli.course import course
from training.cli.options import DEFAULT_STORE, RunArgument, StoreOption
from training.cli.torch_commands import TorchCommands

_image = partial(typer.Option, help="Image to write.")

plot = TorchCommands(
    help="Draw figures of runs, of published models and for the course.", no_args_is_help=True
)
plot.add_typer(course)


@plot.command()
def filters(
    model: Annotated[str, typer.Argument(help="Name of a published model.")],
    layer: Annotated[
        str | None, typer.Argument(help="Layer to draw; without one, the layers are listed.")
    ] = None,
    version: Annotated[
        int | None, typer.Option(help="Version of the model.", show_default="the highest")
    ] = None,
    to: Annotated[Path | None, _image(show_default="MODEL-LAYER.png")] = None,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Draw the filters of a published layer on one scale, with dead filters framed and counted."""
    from training.plots.filters import draw_filters, load_published_layers

    label, layers_by_name = load_published_layers(store, model, version)
    if layer is None:
        for item in layers_by_name.values():
            size = "×".join(map(str, item.weights_NChw.shape))
            typer.echo(f"{item.name:40} {item.operator:14} {size:16} {item.dead_N.sum()} dead")
        return
    path = to or Path(f"{model}-{layer}.png")
    typer.echo(draw_filters(label, layers_by_name, layer, path))
    typer.echo(f"drew {path}")


@plot.command()
def strokes(
    run: RunArgument,
    to: Annotated[Path | None, _image(show_default="RUN/strokes.png")] = None,
) -> None:
    """Draw the class probabilities of a stroke classifier after every move of the pen."""
    from training.plots.strokes import draw_run_examples

    path = to or run / "strokes.png"
    typer.echo(draw_run_examples(run, path))
    typer.echo(f"drew {path}")


@plot.command()
def play(
    run: RunArgument,
    games: Annotated[int, typer.Option(min=1, help="Number of games of each player.")] = 100,
    to: Annotated[
        Path | None,
        typer.Option(help="Animation to write, .gif or .webp.", show_default="RUN/play.gif"),
    ] = None,
) -> None:
    """Animate a game of a trained controller and compare its score with other players."""
    from training.envs.catch import BALLS
    from training.plots.play_game import (
        available_policies,
        load_controller,
        mean_score,
        save_animation,
    )

    players, path = available_policies(load_controller(run)), to or run / "play.gif"
    save_animation(players["network"], path)
    for name, player in players.items():
        mean, deviation = mean_score(player, games)
        typer.echo(f"{name:24} {mean:5.2f} ± {deviation:.2f} of {BALLS} balls ({games} games)")
    typer.echo(f"drew {path}")


@plot.command()
def curves(
    run: RunArgument,
    to: Annotated[Path | None, _image(show_default="RUN/curves.png")] = None,
) -> None:
    """Draw loss, scores and learning rate over epochs."""
    from training.plots.curves import draw_training_curves

    path = to or run / "curves.png"
    draw_training_curves(run / "metrics.csv", path)
    typer.echo(f"drew {path}")


@plot.command()
def samples(
    run: RunArgument,
    to: Annotated[Path | None, _image(show_default="RUN/samples.png")] = None,
    count: Annotated[int, typer.Option(min=1, max=1024, help="Number of images.")] = 64,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the generated images.")] = 0,
) -> None:
    """Draw a grid of generated images."""
    from training.engine.trainer import load_adversarial_task
    from training.tasks.adversarial import draw_grid

    path = to or run / "samples.png"
    draw_grid(load_adversarial_task(run).generate_images(count, seed), path)
    typer.echo(f"drew {path}")


@plot.command()
def neighbours(
    run: RunArgument,
    to: Annotated[Path | None, _image(show_default="RUN/neighbours.png")] = None,
    count: Annotated[int, typer.Option(min=1, max=64, help="Number of images.")] = 12,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the generated images.")] = 0,
) -> None:
    """Draw generated images with the training images that are most similar to them."""
    from training.engine.trainer import load_adversarial_task
    from training.plots.images import draw_neighbours

    path = to or run / "neighbours.png"
    task = load_adversarial_task(run)
    draw_neighbours(task.generate_images(count, seed), task.data.train.images_NCHW, path)
    typer.echo(f"drew {path}")
