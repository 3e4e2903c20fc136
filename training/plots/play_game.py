"""A trained controller at work: its score beside other players', and an animation."""

from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from training.config.recipe import load
from training.engine.trainer import restore
from training.envs.catch import ACTIONS, BALLS, Catch, scripted
from training.errors import DataError
from training.networks.controller import Controller
from training.tasks.imitation import Imitation

__all__ = ["Player", "animate", "controller", "players", "score"]

Player = Callable[[], Callable[[Catch], int]]
"""Called before a game, gives what chooses an action in it."""

_ENLARGED, _MILLISECONDS = 12, 90
_FIRST_SEED = 1_000_000
_FORMATS = {".gif": "GIF", ".webp": "WEBP"}
_INK, _CURTAIN, _PAPER = (240, 240, 240), (70, 90, 140), (25, 30, 40)


def controller(run: Path) -> Controller:
    """The trained network of a run. Raises DataError when it is of another task."""
    task = restore(load(str(run / "recipe.yaml")), run).task
    network = task.published_network().eval() if isinstance(task, Imitation) else None
    if not isinstance(network, Controller):
        raise DataError(f"{run} is no run of the task imitation")
    return network.cpu()


def players(network: Controller) -> dict[str, Player]:
    """Who plays: chance, the network, the same without its memory, and the scripted player."""
    return {
        "random": _random,
        "network, memory wiped": lambda: _choosing(network, remembers=False),
        "network": lambda: _choosing(network, remembers=True),
        "scripted": lambda: scripted,
    }


def _random() -> Callable[[Catch], int]:
    random = np.random.default_rng(0)
    return lambda _: int(random.integers(len(ACTIONS)))


def _choosing(network: Controller, *, remembers: bool) -> Callable[[Catch], int]:
    state = network.recurrence.start(1)

    def choose(game: Catch) -> int:
        nonlocal state
        picture = torch.from_numpy(game.picture()).float()[None, None] / 255
        with torch.inference_mode():
            logits, after = network(picture, state)
        state = after if remembers else state
        return int(logits[0, 0].argmax())

    return choose


def score(player: Player, games: int) -> tuple[float, float]:
    """Balls caught of ten: mean and sample deviation over `games`, the same for every player."""
    caught = []
    for index in range(games):
        game, choose = Catch(), player()
        game.reset(seed=_FIRST_SEED + index)
        total, over = 0.0, False
        while not over:
            _, reward, over, _, _ = game.step(choose(game))
            total += reward
        caught.append(total)
    return mean(caught), stdev(caught) if games > 1 else 0.0


def animate(player: Player, path: Path, balls: int = BALLS, seed: int = _FIRST_SEED) -> None:
    """A game as GIF or WebP; the ball is shown dimly behind the curtain, where no player sees it.

    Raises:
        DataError: the file's name ends otherwise.
    """
    kind = _FORMATS.get(path.suffix.lower())
    if kind is None:
        raise DataError(f"{path} is neither .gif nor .webp")
    game, choose, fallen = Catch(), player(), 0
    game.reset(seed=seed)
    frames = [_frame(game)]
    while fallen < balls:
        before = game.ball
        game.step(choose(game))
        frames.append(_frame(game))
        fallen += game.ball is not before
    first, *rest = frames
    first.save(
        path, kind, save_all=True, append_images=rest, duration=_MILLISECONDS, loop=0,
        lossless=True,
    )  # fmt: skip


def _frame(game: Catch) -> Image.Image:
    seen, there = game.picture(), game.picture(curtain=False)
    pixels: NDArray[np.uint8] = np.empty((*seen.shape, 3), np.uint8)
    pixels[:] = _PAPER
    pixels[5:-1] = np.array(_CURTAIN) // 2
    pixels[there > 0] = _CURTAIN
    pixels[seen > 0] = _INK
    picture = Image.fromarray(pixels.repeat(_ENLARGED, 0).repeat(_ENLARGED, 1))
    return picture.quantize(16)
