import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tests.training.tiny import recipe
from training.config.recipe import Recipe
from training.engine.trainer import fit, prepare
from training.errors import DataError, RecipeError
from training.networks.char_rnn import CharRNN
from training.tasks.language import EVAL_WINDOW, Language, contiguous_batches, random_windows

TEXT: dict[str, Any] = {
    "data": {"kind": "corpus", "name": "numbers"},
    "network": {"kind": "char_rnn", "layers": 1, "hidden": 24, "embedding": 8},
    "initializer": {"kind": "glorot"},
    "task": {"kind": "language", "window": 128},
    "optimizer": {"kind": "adamw", "lr": 0.01},
    "schedule": {"kind": "cosine"},
    "epochs": 3,
    "batch_size": 32,
    "clip_norm": 1.0,
}


def language(**changes: Any) -> Language:
    task = prepare(_recipe(**changes), accelerator="cpu")[1]
    assert isinstance(task, Language)
    return task


def _recipe(**changes: Any) -> Recipe:
    return recipe(**{**TEXT, **changes})


def _nats_in_one_lane(network: CharRNN, text_N: Tensor) -> float:
    with torch.inference_mode():
        logits, _ = network.eval()(text_N[None, :-1])
    return float(functional.cross_entropy(logits[0], text_N[1:]))


def test_batch_rows_are_contiguous_and_targets_are_the_next_characters() -> None:
    steps = list(contiguous_batches(torch.arange(100), batch_size=3, window=4, steps=5))
    assert [step.resets_state for step in steps] == [True, False, False, False, False]
    tokens_BN = torch.cat([step.tokens_BT for step in steps], 1)
    targets_BN = torch.cat([step.targets_BT for step in steps], 1)
    assert torch.equal(tokens_BN, torch.arange(60).view(3, 20))
    assert torch.equal(targets_BN, tokens_BN + 1)


def test_every_epoch_has_its_own_reproducible_offset() -> None:
    task = language()
    first, again, other = (next(iter(task.batches(epoch))).tokens_BT for epoch in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_shuffled_lines_stay_whole_and_come_in_another_order_every_epoch() -> None:
    task = language(task={**TEXT["task"], "shuffle_lines": True, "window": 8}, batch_size=1)
    known = set(task.data.decode(task.data.train_N).split("\n"))
    orders = []
    for epoch in (0, 1):
        tokens_N = torch.cat([step.tokens_BT for step in task.batches(epoch)], 1)[0]
        lines = task.data.decode(tokens_N).split("\n")[1:-1]  # an epoch begins and ends anywhere
        assert len(set(lines) - known) <= 1  # the last line of the split has no end
        assert len(set(lines) & known) > 0.99 * len(known)
        orders.append(lines)
    assert orders[0][:20] != orders[1][:20]


def test_epoch_has_the_reported_number_of_steps() -> None:
    task = language()
    assert len(list(task.batches(0))) == task.steps_per_epoch == (25_053 - 1) // (32 * 128)


def test_the_state_goes_on_from_step_to_step_and_not_from_epoch_to_epoch() -> None:
    task = language()
    task.network.eval()
    steps = list(task.batches(0))
    with torch.inference_mode():
        losses = [task.loss(step)["loss"] for step in steps]
        network = task.network_to_publish()
        joined = torch.cat([step.tokens_BT for step in steps], 1)
        targets = torch.cat([step.targets_BT for step in steps], 1)
        logits, _ = network(joined)
        expected = functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        again = task.loss(steps[0])["loss"]
    torch.testing.assert_close(torch.stack(losses).mean(), expected)
    torch.testing.assert_close(again, losses[0])


def test_nothing_is_learnt_through_the_state_of_the_step_before() -> None:
    task = language()
    steps = list(task.batches(0))
    task.loss(steps[0])
    task.fabric.backward(task.loss(steps[1])["loss"])
    assert task._carried_state is not None
    assert not any(part.requires_grad for part in task._carried_state)


def test_random_resets_zero_the_state_of_some_rows() -> None:
    task = language(task={**TEXT["task"], "forget": 0.5}, batch_size=64)
    torch.manual_seed(0)
    state = task._reset_random_states((torch.ones(1, 64, 24),) * 2)
    assert state is not None
    lost_B = (state[0] == 0).all(-1)[0]
    assert 16 < int(lost_B.sum()) < 48
    assert torch.equal(lost_B, (state[1] == 0).all(-1)[0])
    assert bool((state[0][0, ~lost_B] == 1).all())


def test_untrained_network_has_the_loss_of_a_uniform_guess() -> None:
    scores = language().evaluate("validation")
    assert scores["loss"] == pytest.approx(math.log(31), abs=0.2)


@pytest.mark.parametrize("size", [300, 2783])
def test_parallel_rows_with_a_lead_in_match_one_sequential_pass(size: int, tmp_path: Path) -> None:
    task = fit(_recipe(epochs=2), tmp_path, show_progress=False).task
    assert isinstance(task, Language)
    task.splits["validation"] = task.splits["validation"][:size]
    network = task.network_to_publish()
    assert isinstance(network, CharRNN)
    exact = _nats_in_one_lane(network, task.splits["validation"])
    assert task.evaluate("validation")["loss"] == pytest.approx(exact, rel=1e-3)


def test_windows_are_the_same_for_everyone_and_without_context() -> None:
    task = language()
    text_N = task.splits["validation"]
    windows_WN = random_windows(text_N)
    assert windows_WN.shape == (400, EVAL_WINDOW + 1)
    assert torch.equal(windows_WN, random_windows(text_N))
    network = task.network_to_publish().eval()
    with torch.inference_mode():
        logits, _ = network(windows_WN[:, :-1])
        expected = functional.cross_entropy(logits.flatten(0, 1), windows_WN[:, 1:].flatten())
    measured = task.evaluate("validation")["window_loss"]
    assert measured == pytest.approx(float(expected), rel=1e-4)


def test_windows_of_a_short_text_are_as_long_as_it_allows() -> None:
    assert random_windows(torch.arange(50)).shape == (400, 50)


def test_training_brings_the_loss_down(tmp_path: Path) -> None:
    short = {**TEXT["task"], "window": 32}
    fitted = fit(_recipe(epochs=4, batch_size=16, task=short), tmp_path, show_progress=False)
    losses = [row["validation_loss"] for row in fitted.log]
    assert losses[-1] < 0.6 * losses[0]
    # ln(999) nats for each line's number, and a line has 27.8 characters on average.
    assert losses[-1] > 0.24


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 1000}, "25053 training characters, fewer than one step"),
        ({"network": {"kind": "char_rnn", "vocabulary": 5}}, "vocabulary is 5, but .* has 31"),
    ],
)
def test_settings_that_do_not_fit_the_text_are_rejected(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        language(**changes)


def test_prompt_with_unknown_characters_is_rejected_before_training() -> None:
    with pytest.raises(DataError, match="has no 'Z'"):
        language(task={**TEXT["task"], "sample": "Zero"})


@pytest.mark.parametrize("field", ["data", "network", "task"])
def test_a_task_on_text_a_text_and_a_network_that_reads_belong_together(field: str) -> None:
    with pytest.raises(ValueError, match="belong together"):
        recipe(**{field: TEXT[field]})


def test_a_text_has_no_test_split() -> None:
    task = language()
    assert (task.has_split("validation"), task.has_split("test")) == (True, False)
    with pytest.raises(DataError, match="has no test split"):
        task.evaluate("test")
