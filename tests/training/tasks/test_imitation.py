from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from tests.training.tiny import recipe
from training.engine.trainer import fit, prepare
from training.errors import DataError, ExportError
from training.networks.controller import Controller
from training.plots.play_game import available_policies, load_controller, mean_score, save_animation
from training.publish.tasks import export_spec
from training.tasks.imitation import Imitation

GAME: dict[str, Any] = {
    "data": {"kind": "demonstrations", "train_games": 40, "test_games": 5},
    "network": {"kind": "controller", "hidden": 48},
    "initializer": {"kind": "glorot"},
    "task": {"kind": "imitation"},
    "optimizer": {"kind": "adamw", "lr": 0.01},
    "schedule": {"kind": "one_cycle"},
    "epochs": 25,
    "batch_size": 10,
    "clip_norm": 1.0,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("game") / "run"
    fit(recipe(**{**GAME, "evaluate_every": 25}), folder, show_progress=False)
    return folder


def test_the_state_is_carried_from_image_to_image() -> None:
    torch.manual_seed(0)
    network = Controller.Config(hidden=8).build()
    images = torch.rand(2, 6, 12, 12)
    whole, _ = network(images)
    first, state = network(images[:, :4])
    rest, _ = network(images[:, 4:], state)
    torch.testing.assert_close(torch.cat([first, rest], 1), whole)


def test_slips_leave_the_players_own_action_as_what_is_learnt() -> None:
    task = prepare(recipe(**GAME), accelerator="cpu")[1]
    assert isinstance(task, Imitation)
    games = task.data.train
    assert tuple(games.images_NTHW.shape) == (40, 110, 12, 12)
    assert set(games.actions_NT.flatten().tolist()) == {0, 1, 2}


def test_the_network_plays_better_than_chance_and_needs_its_memory(run: Path) -> None:
    everyone = available_policies(load_controller(run))
    scores = {name: mean_score(player, 15)[0] for name, player in everyone.items()}
    assert scores["scripted"] == 10
    assert scores["network"] > scores["network, memory wiped"] + 1
    assert scores["network"] > scores["random"] + 2


@pytest.mark.parametrize("name", ["game.gif", "game.webp"])
def test_a_game_is_animated(run: Path, tmp_path: Path, name: str) -> None:
    save_animation(available_policies(load_controller(run))["network"], tmp_path / name, balls=2)
    with Image.open(tmp_path / name) as image:
        assert image.size == (336, 336)
        assert getattr(image, "n_frames", 1) == 23


def test_unsuitable_runs_cannot_be_animated_or_published(run: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must end in \.gif or \.webp"):
        save_animation(available_policies(load_controller(run))["scripted"], tmp_path / "game.mp4")
    game = recipe(**GAME)
    task = prepare(game, accelerator="cpu")[1]
    with pytest.raises(ExportError, match="the task imitation cannot be published"):
        export_spec(task, game)
    with pytest.raises(DataError, match="no validation split"):
        task.evaluate("validation")
