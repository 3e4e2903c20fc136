"""Scores of a trained controller and of other players, and an animation of a game."""

from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from training.config.recipe import load_run_recipe
from training.engine.trainer import restore
from training.envs.catch import ACTIONS, BALLS, Catch, optimal_action
from training.errors import DataError
from training.networks.controller import Controller
from training.networks.recurrent import RecurrentState
from training.tasks.imitation import Imitation

PolicyFactory = Callable[[], Callable[[Catch], int]]
"""Called before each game; returns a function that chooses an action."""

_SCALE, _FRAME_MS = 28, 90
_FIRST_SEED = 1_000_000
_FORMATS = {".gif": "GIF", ".webp": "WEBP"}
_INK, _CURTAIN, _PAPER = (240, 240, 240), (70, 90, 140), (25, 30, 40)


def load_controller(run: Path) -> Controller:
    """Return the trained network of a run. Raise DataError if the run is of another task."""
    task = restore(load_run_recipe(run), run).task
    network = task.network_to_publish().eval() if isinstance(task, Imitation) else None
    if not isinstance(network, Controller):
        raise DataError(f"{run} is not a run of the task imitation")
    return network.cpu()


def available_policies(network: Controller) -> dict[str, PolicyFactory]:
    """Return the players: random, the network with and without memory, and the scripted player."""
    return {
        "random": _random_policy,
        "network, memory wiped": lambda: _network_policy(network, keep_state=False),
        "network": lambda: _network_policy(network, keep_state=True),
        "scripted": lambda: optimal_action,
    }


def _random_policy() -> Callable[[Catch], int]:
    random = np.random.default_rng(0)
    return lambda _: int(random.integers(len(ACTIONS)))


def _network_policy(network: Controller, *, keep_state: bool) -> Callable[[Catch], int]:
    state: RecurrentState | None = None

    def choose(game: Catch) -> int:
        nonlocal state
        image = torch.from_numpy(game.observe()).float()[None, None] / 255
        with torch.inference_mode():
            logits, after = network(image, state)
        state = after if keep_state else state
        return int(logits[0, 0].argmax())

    return choose


def mean_score(create_policy: PolicyFactory, games: int) -> tuple[float, float]:
    """Return mean and sample deviation of balls caught of ten, over the same `games` for all."""
    caught = []
    for index in range(games):
        game, policy = Catch(), create_policy()
        game.reset(seed=_FIRST_SEED + index)
        total, terminated = 0.0, False
        while not terminated:
            _, reward, terminated, _, _ = game.step(policy(game))
            total += reward
        caught.append(total)
    return mean(caught), stdev(caught) if games > 1 else 0.0


def save_animation(
    create_policy: PolicyFactory, path: Path, balls: int = BALLS, seed: int = _FIRST_SEED
) -> None:
    """Write a game as GIF or WebP; the ball is drawn dimly where the curtain hides it from players.

    Raises:
        DataError: the file's extension is neither .gif nor .webp.
    """
    kind = _FORMATS.get(path.suffix.lower())
    if kind is None:
        raise DataError(f"{path} must end in .gif or .webp")
    game, policy, finished_balls = Catch(), create_policy(), 0
    game.reset(seed=seed)
    frames = [_render_frame(game)]
    while finished_balls < balls:
        before = game.ball
        game.step(policy(game))
        frames.append(_render_frame(game))
        finished_balls += game.ball is not before
    first, *rest = frames
    first.save(
        path, kind, save_all=True, append_images=rest, duration=_FRAME_MS, loop=0,
        lossless=True,
    )  # fmt: skip


def _render_frame(game: Catch) -> Image.Image:
    visible, full = game.observe(), game.observe(curtain=False)
    pixels: NDArray[np.uint8] = np.empty((*visible.shape, 3), np.uint8)
    pixels[:] = _PAPER
    pixels[5:-1] = np.array(_CURTAIN) // 2
    pixels[full > 0] = _CURTAIN
    pixels[visible > 0] = _INK
    image = Image.fromarray(pixels.repeat(_SCALE, 0).repeat(_SCALE, 1))
    return image.quantize(16)
