"""`python -m training plot …`."""

from pathlib import Path
from typing import Annotated

import typer

from training.cli.course import course

__all__ = ["plot"]

# Commands import what they need themselves: `--help` then answers without loading matplotlib.

plot = typer.Typer(help="Draw pictures of runs and of what training does.", no_args_is_help=True)
plot.add_typer(course)


@plot.command()
def filters(
    model: Annotated[str, typer.Argument(help="a model's name on the shelf")],
    layer: Annotated[
        str | None, typer.Argument(help="one of its layers; they are listed when left out")
    ] = None,
    version: Annotated[int | None, typer.Option(help="the highest when left out")] = None,
    to: Annotated[Path | None, typer.Option(help="the picture; MODEL-LAYER.png")] = None,
    store: Annotated[Path, typer.Option(envvar="DEEPSHELF_STORE", help="the shelf")] = Path(
        "models_store"
    ),
) -> None:
    """Draw a published layer's weights on one scale; dead filters are counted and framed."""
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
    run: Annotated[Path, typer.Argument(help="the folder of a run that reads pen strokes")],
    to: Annotated[
        Path | None, typer.Option(help="the picture; strokes.png in the run's folder")
    ] = None,
) -> None:
    """Draw what a reader of pen strokes believes after every move of the pen."""
    from training.plots.strokes import draw_run_examples

    path = to or run / "strokes.png"
    typer.echo(draw_run_examples(run, path))
    typer.echo(f"drew {path}")


@plot.command()
def play(
    run: Annotated[Path, typer.Argument(help="the folder of a run that learnt a game")],
    games: Annotated[int, typer.Option(min=1, help="that each player plays")] = 100,
    to: Annotated[
        Path | None, typer.Option(help="a .gif or .webp; play.gif in the run's folder")
    ] = None,
) -> None:
    """Let a trained controller play: an animation, and its score beside other players'."""
    from training.envs.catch import BALLS
    from training.plots.play_game import (
        available_policies,
        load_controller,
        mean_score,
        save_animation,
    )

    all_players, path = available_policies(load_controller(run)), to or run / "play.gif"
    save_animation(all_players["network"], path)
    for name, player in all_players.items():
        mean, deviation = mean_score(player, games)
        typer.echo(f"{name:24} {mean:5.2f} ± {deviation:.2f} of {BALLS} balls ({games} games)")
    typer.echo(f"drew {path}")


@plot.command()
def curves(
    run: Annotated[Path, typer.Argument(help="a run's folder")],
    to: Annotated[
        Path | None, typer.Option(help="the picture; curves.png in the run's folder")
    ] = None,
) -> None:
    """Draw loss, scores and learning rate by epoch."""
    from training.plots.curves import draw_training_curves

    path = to or run / "curves.png"
    draw_training_curves(run / "metrics.csv", path)
    typer.echo(f"drew {path}")


@plot.command()
def samples(
    run: Annotated[
        Path, typer.Argument(help="the folder of a run of the task load_adversarial_task")
    ],
    to: Annotated[
        Path | None, typer.Option(help="the picture; samples.png in the run's folder")
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=1024, help="pictures")] = 64,
    seed: Annotated[int, typer.Option(min=0, help="another one draws other pictures")] = 0,
) -> None:
    """Draw a grid of what a generator draws now."""
    from training.engine.runs import load_adversarial_task
    from training.plots.samples import draw_grid

    path = to or run / "samples.png"
    draw_grid(load_adversarial_task(run).generate_images(count, seed), path)
    typer.echo(f"drew {path}")


@plot.command()
def neighbours(
    run: Annotated[
        Path, typer.Argument(help="the folder of a run of the task load_adversarial_task")
    ],
    to: Annotated[
        Path | None, typer.Option(help="the picture; neighbours.png in the run's folder")
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=64, help="pictures")] = 12,
    seed: Annotated[int, typer.Option(min=0, help="another one draws other pictures")] = 0,
) -> None:
    """Draw what a generator draws beside the training pictures that are most like it."""
    from training.engine.runs import load_adversarial_task
    from training.plots.neighbours import draw_neighbours

    path = to or run / "neighbours.png"
    task = load_adversarial_task(run)
    draw_neighbours(task.generate_images(count, seed), task.data.train.images_NCHW, path)
    typer.echo(f"drew {path}")
