"""The course's `plot` commands on layers and blocks."""

from pathlib import Path

import typer

from training.cli.course_options import SeedsOption, ToOption, use_one_thread

__all__ = ["layers"]

layers = typer.Typer()


@layers.command("batchnorm")
def batchnorm(to: ToOption = Path("batchnorm.png"), seeds: SeedsOption = 3) -> None:
    """Draw what batch normalisation averages, and nets with it (before or after ReLU) or not."""
    from training.course.batch_norm import (
        NORM_POSITIONS,
        RATES,
        losses_by_mode,
        track_statistics,
        train_network,
    )
    from training.course.digits import load_digit_splits
    from training.plots.batch_norm import draw_batch_norm

    use_one_thread()
    runs = {
        rate: {
            place: [train_network(place, rate, seed=seed) for seed in range(seeds)]
            for place in NORM_POSITIONS
        }
        for rate in RATES
    }
    for rate, places in runs.items():
        for place, trained in places.items():
            last = sum(losses[-1] for _, losses in trained) / seeds
            typer.echo(f"rate {rate:<5g} norm {place:11} loss {last:.3f}")
    network = runs[RATES[0]]["before ReLU"][0][0]
    for size in (4, 100):
        batch, running = losses_by_mode(network, load_digit_splits().test, size)
        typer.echo(
            f"test loss in batches of {size}: {batch:.3f} in train mode, {running:.3f} in eval mode"
        )
    losses = {
        rate: {place: [losses for _, losses in trained] for place, trained in places.items()}
        for rate, places in runs.items()
    }
    draw_batch_norm(track_statistics(), losses, to)
    typer.echo(f"drew {to}; losses are means of {seeds} seeds")


@layers.command("dropout")
def dropout(to: ToOption = Path("dropout.png"), seeds: SeedsOption = 3) -> None:
    """Draw both formulations of dropout, and a large net that is taught wrong labels with it."""
    from training.course.dropout import DROPOUT_RATES, run_ablation, sample_unit_sums
    from training.plots.dropout import draw_dropout

    use_one_thread()
    sums = sample_unit_sums()
    for name, (drawn, evaluated) in sums.items():
        typer.echo(f"{name:15} {drawn.mean():.3f} on average in training, {evaluated:.3f} after")
    outcomes = {
        drop: [run_ablation(drop, seed=seed) for seed in range(seeds)] for drop in DROPOUT_RATES
    }
    for drop, runs in outcomes.items():
        taught = sum(run.train_accuracy for run in runs) / seeds
        right = sum(run.test_accuracy for run in runs) / seeds
        typer.echo(f"dropped {drop:4.0%}: {taught:.1%} as taught, {right:.1%} right in the test")
    draw_dropout(sums, outcomes, to)
    typer.echo(f"drew {to}; shares are means of {seeds} seeds")


@layers.command("residual")
def residual(to: ToOption = Path("residual.png"), seeds: SeedsOption = 3) -> None:
    """Draw how plain nets get worse with depth where residual nets do not."""
    from training.course.degradation import DEPTHS, run_degradation
    from training.plots.residual import draw_residual

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
