"""The course's part of `python -m training plot …`: each measures, says what came, and draws."""

from pathlib import Path
from typing import Annotated

import typer

from training.cli.course_layers import layers
from training.cli.course_options import SeedOption, SeedsOption, ToOption, one_thread
from training.cli.options import RecipeArgument, SetOption

__all__ = ["course"]

# Commands import what they need themselves: `--help` then answers without loading torch.

course = typer.Typer()
course.add_typer(layers)


@course.command("optimizers")
def optimizers(to: ToOption = Path("optimizers.png"), seed: SeedOption = 0) -> None:
    """Draw the paths of six update rules on four surfaces, and how a small net learns by them."""
    from training.course.descent import batch_sizes, rules
    from training.course.surfaces import SURFACES, end, walks
    from training.plots.optimizers import draw_optimizers

    one_thread()
    paths = [(surface, walks(surface)) for surface in SURFACES]
    sizes, kinds = batch_sizes(seed=seed), rules(seed=seed)
    for surface, walked in paths:
        ends = {name: end(surface, path) for name, path in walked.items()}
        typer.echo(
            f"{surface.name}: " + ", ".join(f"{name} {where}" for name, where in ends.items())
        )
    for curve in (*sizes, *kinds):
        typer.echo(f"{curve.name:18} loss {curve.losses[-1]:.4f} after {curve.steps:,} steps")
    draw_optimizers(paths, sizes, kinds, to)
    typer.echo(f"drew {to}")


@course.command("initializers")
def initializers(to: ToOption = Path("initializers.png"), seed: SeedOption = 0) -> None:
    """Draw activations and gradients of a deep net by how it starts, and whether it learns."""
    from training.course.digits import digits
    from training.course.initialisation import SCHEMES, Unit, deep_net, learn, signals
    from training.plots.initializers import draw_initializers

    one_thread()
    units: tuple[Unit, ...] = ("tanh", "relu")
    pictures = digits().train
    rows = {
        unit: {
            name: (signals(deep_net(unit, scheme, seed), pictures), learn(unit, scheme, seed=seed))
            for name, scheme in SCHEMES.items()
        }
        for unit in units
    }
    for unit, measured in rows.items():
        for name, (before, losses) in measured.items():
            first, last = before.activations[0], before.activations[-1]
            typer.echo(
                f"{unit} {name:18} activations {first:.2g} → {last:.2g}, "
                f"first layer's gradient {before.gradients[0]:.2g}, loss {losses[-1]:.3f}"
            )
    draw_initializers(rows, to)
    typer.echo(f"drew {to}")


@course.command("schedules")
def schedules(to: ToOption = Path("schedules.png"), seeds: SeedsOption = 3) -> None:
    """Draw eight learning-rate schedules, and the loss of the same small net under each."""
    from training.course.rates import SHOWN, learn, rates
    from training.plots.schedules import draw_schedules

    one_thread()
    losses = {name: [learn(shown, seed) for seed in range(seeds)] for name, shown in SHOWN.items()}
    for name, runs in losses.items():
        typer.echo(f"{name:22} loss {sum(run[-1] for run in runs) / seeds:.4f}")
    draw_schedules({name: rates(shown) for name, shown in SHOWN.items()}, losses, to)
    typer.echo(f"drew {to}; losses are means of {seeds} seeds")


@course.command("range-test")
def range_test(
    recipe: RecipeArgument,
    override: SetOption = None,
    lowest: Annotated[float, typer.Option(min=1e-12, help="the first rate")] = 1e-5,
    highest: Annotated[float, typer.Option(min=1e-12, help="the last rate")] = 10.0,
    steps: Annotated[int, typer.Option(min=10, help="between them")] = 100,
    to: ToOption = Path("range-test.png"),
) -> None:
    """Train a recipe for some steps at ever higher rates, and draw what its loss says to each."""
    from training.config.recipe import load
    from training.engine.lr_range_test import range_test as run
    from training.plots.range_test import draw_range_test

    loaded = load(recipe, override or ())
    test = run(loaded, lowest=lowest, highest=highest, steps=steps)
    typer.echo(
        f"the loss falls fastest at {test.steepest:.2g} and is lowest at {test.lowest:.2g}; "
        f"the recipe has {test.recipe_rate:.2g}"
    )
    draw_range_test(test, loaded.name, to)
    typer.echo(f"drew {to}")
