from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor

from tests.training.tiny import DENOISING, recipe
from training.config.recipe import Recipe
from training.engine.csv_logger import read_log
from training.engine.trainer import FitResult, fit, prepare, restore
from training.errors import CheckpointError, DivergenceError, RecipeError
from training.tasks.single_network import SingleNetwork


class _Killed(BaseException):
    """Not an Exception, as KeyboardInterrupt is not; pytest would take that one for itself."""


@contextmanager
def _killed_in(epoch: int) -> Iterator[None]:
    """Make a run fail in the middle of `epoch`, counted from 1, inside the block."""
    original, steps = SingleNetwork.step, 0

    def step(self: SingleNetwork, batch: Any) -> dict[str, Tensor]:
        nonlocal steps
        steps += 1
        if steps > (epoch - 1) * self.steps_per_epoch + self.steps_per_epoch // 2:
            raise _Killed
        return original(self, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SingleNetwork, "step", step)
        yield


def _weights(fitted: FitResult) -> dict[str, Tensor]:
    assert isinstance(fitted.task, SingleNetwork)
    return dict(fitted.task.network_to_publish().state_dict())


def _without_times(rows: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def _assert_equal(first: FitResult, second: FitResult) -> None:
    assert _without_times(first.log) == _without_times(second.log)
    weights, others = _weights(first), _weights(second)
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[name], others[name]) for name in weights)


_VARIANTS: dict[str, dict[str, Any]] = {
    "one-cycle": {},
    "average-and-warm-up": {
        "ema_decay": 0.9,
        "schedule": {"kind": "cosine", "warmup_epochs": 1},
        "optimizer": {"kind": "adamw", "lr": 0.01},
        "evaluate_every": 2,
    },
    "bfloat16-channels-last": {"precision": "bf16-mixed", "channels_last": True, "clip_norm": 1},
    "early-stop": {"early_stop": {"patience": 3}},
    "denoising": {**DENOISING, "schedule": {"kind": "cyclic"}},
    "language": {
        "data": {"kind": "corpus", "name": "numbers"},
        "network": {
            "kind": "char_rnn",
            "hidden": 16,
            "embedding": 8,
            "dropout": 0.2,
            "weight_drop": 0.2,
        },
        "task": {"kind": "language", "window": 128, "forget": 0.1},
        "batch_size": 32,
        "ema_decay": 0.9,
    },
}


@pytest.mark.parametrize("variant", _VARIANTS)
def test_a_killed_run_resumes_to_the_numbers_of_an_uninterrupted_one(
    variant: str, tmp_path: Path
) -> None:
    same = recipe(**_VARIANTS[variant])
    whole = fit(same, tmp_path / "whole", show_progress=False)
    with _killed_in(epoch=3), pytest.raises(_Killed):
        fit(same, tmp_path / "killed", show_progress=False)
    interrupted = read_log(tmp_path / "killed" / "metrics.csv")
    assert [epoch for epoch, _ in interrupted["train_loss"]] == [1, 2]

    resumed = fit(same, tmp_path / "killed", resume=True, show_progress=False)
    _assert_equal(whole, resumed)
    logs = [read_log(tmp_path / run / "metrics.csv") for run in ("whole", "killed")]
    assert [epoch for epoch, _ in logs[0]["train_loss"]] == [1, 2, 3, 4]
    for log in logs:
        del log["seconds"]
    assert logs[0] == logs[1]


def test_a_run_is_a_function_of_its_recipe(tmp_path: Path) -> None:
    first, again, other = (
        fit(recipe(seed=seed, epochs=1), tmp_path / str(index), show_progress=False)
        for index, seed in enumerate((3, 3, 4))
    )
    _assert_equal(first, again)
    assert first.log[0]["train_loss"] != other.log[0]["train_loss"]


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    first = fit(recipe(epochs=1), tmp_path, show_progress=False)
    again = fit(recipe(epochs=1), tmp_path, resume=True, show_progress=False)
    _assert_equal(first, again)


def test_the_recipe_of_a_run_lies_beside_it(tmp_path: Path) -> None:
    fit(recipe(epochs=1), tmp_path, show_progress=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "environment.json", "last.ckpt", "metrics.csv", "recipe.yaml",
    ]  # fmt: skip
    written = yaml.safe_load((tmp_path / "recipe.yaml").read_text())
    assert Recipe.model_validate(written) == recipe(epochs=1)


def test_a_run_is_never_overwritten(tmp_path: Path) -> None:
    fit(recipe(epochs=1), tmp_path, show_progress=False)
    before = (tmp_path / "last.ckpt").read_bytes()
    with pytest.raises(RecipeError, match="holds a run already: use --resume"):
        fit(recipe(epochs=1), tmp_path, show_progress=False)
    assert (tmp_path / "last.ckpt").read_bytes() == before


def test_another_recipe_cannot_resume_a_run(tmp_path: Path) -> None:
    fit(recipe(epochs=1), tmp_path, show_progress=False)
    with pytest.raises(CheckpointError, match="was written by another recipe"):
        fit(recipe(epochs=2), tmp_path, resume=True, show_progress=False)


def test_there_must_be_something_to_resume(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        fit(recipe(), tmp_path, resume=True, show_progress=False)


def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(DivergenceError, match=r"in epoch 1, step \d, at learning rate 1e\+09"):
        fit(
            recipe(
                **DENOISING,
                optimizer={"kind": "sgd", "lr": 1e9},
                schedule={"kind": "constant"},
            ),
            tmp_path,
            show_progress=False,
        )
    assert not (tmp_path / "last.ckpt").exists()


def test_network_overfits_one_batch() -> None:
    _, task = prepare(
        recipe(
            task={"kind": "classification"},
            network={
                "kind": "resnet", "depth": 20, "stem": "cifar", "width": 8, "in_channels": 1,
                "classes": 10,
            },
            schedule={"kind": "constant"},
        ),
        accelerator="cpu",
    )  # fmt: skip
    batch = next(iter(task.batches(0)))
    losses = [task.step(batch) for _ in range(40)]
    assert losses[0]["accuracy"].item() < 0.5
    assert losses[-1]["accuracy"].item() == 1
    assert losses[-1]["loss"].item() < 0.05


def test_a_short_run_on_digits_is_far_above_chance(tmp_path: Path) -> None:
    fitted = fit(recipe(epochs=8, data={"kind": "digits"}), tmp_path, show_progress=False)
    assert fitted.log[-1]["test_accuracy"] > 0.9
    assert fitted.seconds == sum(row["seconds"] for row in fitted.log)


def test_a_run_without_progress_stops_and_keeps_its_best_weights(tmp_path: Path) -> None:
    # The rate falls to a tenth every epoch: soon nothing moves any more.
    stuck = recipe(
        schedule={"kind": "step", "every_epochs": 1}, early_stop={"patience": 2}, epochs=30
    )
    fitted = fit(stuck, tmp_path, show_progress=False)
    scores = [row["validation_accuracy"] for row in fitted.log]
    best = scores.index(max(scores))
    assert len(scores) == best + 1 + 2 < 30
    assert fitted.task.evaluate("validation")["accuracy"] == scores[best]
    best, last = (torch.load(tmp_path / name)["network"] for name in ("best.ckpt", "last.ckpt"))
    weights = _weights(fitted)
    assert all(torch.equal(best[name], weights[name]) for name in weights)
    assert not all(torch.equal(last[name], weights[name]) for name in weights)
    _assert_equal(fitted, restore(stuck, tmp_path))


def test_a_run_that_gets_better_does_not_stop(tmp_path: Path) -> None:
    fitted = fit(recipe(early_stop={"patience": 3}), tmp_path, show_progress=False)
    assert len(fitted.log) == 4


def test_the_last_epoch_is_always_evaluated(tmp_path: Path) -> None:
    fitted = fit(recipe(epochs=3, evaluate_every=2), tmp_path, show_progress=False)
    assert [int(row["epoch"]) for row in fitted.log if "validation_accuracy" in row] == [2, 3]


def test_the_published_network_is_the_average_where_there_is_one(tmp_path: Path) -> None:
    averaged = fit(recipe(epochs=1, ema_decay=0.999), tmp_path / "average", show_progress=False)
    raw = fit(recipe(epochs=1), tmp_path / "raw", show_progress=False)
    # The average changes nothing of how the network itself is trained.
    for name in ("train_loss", "train_accuracy"):
        assert averaged.log[0][name] == raw.log[0][name]
    first, second = _weights(averaged), _weights(raw)
    assert first.keys() == second.keys()
    assert not torch.equal(first["conv1.weight"], second["conv1.weight"])


def test_a_finished_run_is_restored_as_it_was(tmp_path: Path) -> None:
    same = recipe(epochs=2, ema_decay=0.9)
    fitted = fit(same, tmp_path, show_progress=False)
    _assert_equal(fitted, restore(same, tmp_path))


def test_progress_is_shown_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit(recipe(epochs=1), tmp_path)
    assert "epoch 1/1  learning_rate" in capsys.readouterr().out
