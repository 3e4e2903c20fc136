"""The course's commands of `deepshelf train plot …`: each measures, prints and draws."""

from pathlib import Path
from typing import Annotated

import typer

from training.cli.options import (
    RecipeArgument,
    SeedOption,
    SeedsOption,
    SetOption,
    ToOption,
    use_one_thread,
)
from training.cli.torch_commands import TorchCommands

course = TorchCommands()


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
    from training.plots.optimizers import draw_initializers

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
    from training.plots.schedules import draw_range_test

    loaded = load_recipe(recipe, override or ())
    test = run(loaded, min_lr=lowest, max_lr=highest, steps=steps)
    typer.echo(
        f"the loss falls fastest at {test.steepest_rate:.2g} and is lowest at "
        f"{test.lowest_loss_rate:.2g}; "
        f"the recipe has {test.recipe_rate:.2g}"
    )
    draw_range_test(test, loaded.name, to)
    typer.echo(f"drew {to}")


@course.command("batchnorm")
def batchnorm(to: ToOption = Path("batchnorm.png"), seeds: SeedsOption = 3) -> None:
    """Draw running statistics, and losses with batch norm before ReLU, after it, and without."""
    from training.course.batch_norm import (
        NORM_POSITIONS,
        RATES,
        losses_by_mode,
        track_statistics,
        train_network,
    )
    from training.course.digits import load_digit_splits
    from training.plots.layers import draw_batch_norm

    use_one_thread()
    runs = {
        rate: {
            position: [train_network(position, rate, seed=seed) for seed in range(seeds)]
            for position in NORM_POSITIONS
        }
        for rate in RATES
    }
    for rate, positions in runs.items():
        for position, trained in positions.items():
            last = sum(losses[-1] for _, losses in trained) / seeds
            typer.echo(f"rate {rate:<5g} norm {position:11} loss {last:.3f}")
    network = runs[RATES[0]]["before ReLU"][0][0]
    for size in (4, 100):
        batch, running = losses_by_mode(network, load_digit_splits().test, size)
        typer.echo(
            f"test loss in batches of {size}: {batch:.3f} in train mode, {running:.3f} in eval mode"
        )
    losses = {
        rate: {
            position: [losses for _, losses in trained] for position, trained in positions.items()
        }
        for rate, positions in runs.items()
    }
    draw_batch_norm(track_statistics(), losses, to)
    typer.echo(f"drew {to}; losses are means of {seeds} seeds")


@course.command("dropout")
def dropout(to: ToOption = Path("dropout.png"), seeds: SeedsOption = 3) -> None:
    """Draw both formulations of dropout, and a large network trained on wrong labels with it."""
    from training.course.dropout import DROPOUT_RATES, run_ablation, sample_unit_sums
    from training.plots.layers import draw_dropout

    use_one_thread()
    sums = sample_unit_sums()
    for name, (sampled, evaluated) in sums.items():
        typer.echo(
            f"{name:15} mean {sampled.mean():.3f} in training, {evaluated:.3f} in evaluation"
        )
    outcomes = {
        drop: [run_ablation(drop, seed=seed) for seed in range(seeds)] for drop in DROPOUT_RATES
    }
    for drop, runs in outcomes.items():
        train_accuracy = sum(run.train_accuracy for run in runs) / seeds
        test_accuracy = sum(run.test_accuracy for run in runs) / seeds
        typer.echo(
            f"dropped {drop:4.0%}: train accuracy {train_accuracy:.1%}, "
            f"test accuracy {test_accuracy:.1%}"
        )
    draw_dropout(sums, outcomes, to)
    typer.echo(f"drew {to}; shares are means of {seeds} seeds")


@course.command("residual")
def residual(to: ToOption = Path("residual.png"), seeds: SeedsOption = 3) -> None:
    """Draw how plain networks get worse with depth and residual networks do not."""
    from training.course.degradation import DEPTHS, run_degradation
    from training.plots.layers import draw_residual

    use_one_thread()
    outcomes = []
    for depth in DEPTHS:
        for shortcuts in (False, True):
            runs = [run_degradation(depth, residual=shortcuts, seed=seed) for seed in range(seeds)]
            outcomes += runs
            train = sum(run.train_error for run in runs) / seeds
            test = sum(run.test_error for run in runs) / seeds
            name = "residual" if shortcuts else "plain"
            typer.echo(
                f"{name:8} {depth:3} layers: train error {train:6.1%}, test error {test:6.1%}"
            )
    draw_residual(outcomes, to)
    typer.echo(f"drew {to}; errors are means of {seeds} seeds")
