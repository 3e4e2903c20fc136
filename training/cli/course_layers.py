"""The course's commands of `plot` on layers and blocks."""

from pathlib import Path

import typer

from training.cli.course_options import SeedsOption, ToOption, use_one_thread
from training.cli.torch_commands import TorchCommands

layers = TorchCommands()


@layers.command("batchnorm")
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
    from training.plots.batch_norm import draw_batch_norm

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


@layers.command("dropout")
def dropout(to: ToOption = Path("dropout.png"), seeds: SeedsOption = 3) -> None:
    """Draw both formulations of dropout, and a large network trained on wrong labels with it."""
    from training.course.dropout import DROPOUT_RATES, run_ablation, sample_unit_sums
    from training.plots.dropout import draw_dropout

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


@layers.command("residual")
def residual(to: ToOption = Path("residual.png"), seeds: SeedsOption = 3) -> None:
    """Draw how plain networks get worse with depth and residual networks do not."""
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
