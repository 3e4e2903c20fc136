"""The course's commands of `deepshelf train plot …`: each measures, prints and draws."""

from pathlib import Path
from typing import Annotated

import typer

from training.cli.course_layers import layers
from training.cli.course_options import SeedOption, SeedsOption, ToOption, use_one_thread
from training.cli.options import RecipeArgument, SetOption
from training.cli.torch_commands import TorchCommands

course = TorchCommands()
course.add_typer(layers)


@course.command("optimizers")
def optimizers(to: ToOption = Path("optimizers.png"), seed: SeedOption = 0) -> None:
    """Draw the paths of six optimizers on four surfaces, and their losses on a small network."""
    from training.course.descent import compare_batch_sizes, compare_rules
    from training.course.surfaces import SURFACES, classify_endpoint, run_all_optimizers
    from training.plots.optimizers import draw_optimizers

    use_one_thread()
    paths = [(surface, run_all_optimizers(surface)) for surface in SURFACES]
    sizes, kinds = compare_batch_sizes(seed=seed), compare_rules(seed=seed)
    for surface, paths_by_rule in paths:
        ends = {name: classify_endpoint(surface, path) for name, path in paths_by_rule.items()}
        typer.echo(f"{surface.name}: " + ", ".join(f"{name} {end}" for name, end in ends.items()))
    for curve in (*sizes, *kinds):
        typer.echo(f"{curve.name:18} loss {curve.losses[-1]:.4f} after {curve.steps:,} steps")
    draw_optimizers(paths, sizes, kinds, to)
    typer.echo(f"drew {to}")


@course.command("initializers")
def initializers(to: ToOption = Path("initializers.png"), seed: SeedOption = 0) -> None:
    """Draw activations, gradients and losses of a deep network by its initializer."""
    from training.course.digits import load_digit_splits
    from training.course.initialisation import (
        SCHEMES,
        ActivationKind,
        build_deep_network,
        measure_signals,
        train_network,
    )
    from training.plots.initializers import draw_initializers

    use_one_thread()
    units: tuple[ActivationKind, ...] = ("tanh", "relu")
    images = load_digit_splits().train
    rows = {
        unit: {
            name: (
                measure_signals(build_deep_network(unit, scheme, seed), images),
                train_network(unit, scheme, seed=seed),
            )
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
    """Draw eight learning-rate schedules, and the loss of the same small network with each."""
    from training.course.rates import SCHEDULES, scheduled_rates, train_network
    from training.plots.schedules import draw_schedules

    use_one_thread()
    losses = {
        name: [train_network(schedule, seed) for seed in range(seeds)]
        for name, schedule in SCHEDULES.items()
    }
    for name, runs in losses.items():
        typer.echo(f"{name:22} loss {sum(run[-1] for run in runs) / seeds:.4f}")
    draw_schedules(
        {name: scheduled_rates(schedule) for name, schedule in SCHEDULES.items()}, losses, to
    )
    typer.echo(f"drew {to}; losses are means of {seeds} seeds")


@course.command("range-test")
def range_test(
    recipe: RecipeArgument,
    override: SetOption = None,
    lowest: Annotated[float, typer.Option(min=1e-12, help="First learning rate.")] = 1e-5,
    highest: Annotated[float, typer.Option(min=1e-12, help="Last learning rate.")] = 10.0,
    steps: Annotated[int, typer.Option(min=10, help="Number of steps.")] = 100,
    to: ToOption = Path("range-test.png"),
) -> None:
    """Train a recipe with a growing learning rate, and draw the loss at each rate."""
    from training.config.recipe import load_recipe
    from training.engine.lr_range_test import run_lr_range_test as run
    from training.plots.range_test import draw_range_test

    loaded = load_recipe(recipe, override or ())
    test = run(loaded, min_lr=lowest, max_lr=highest, steps=steps)
    typer.echo(
        f"the loss falls fastest at {test.steepest_rate:.2g} and is lowest at "
        f"{test.lowest_loss_rate:.2g}; "
        f"the recipe has {test.recipe_rate:.2g}"
    )
    draw_range_test(test, loaded.name, to)
    typer.echo(f"drew {to}")
