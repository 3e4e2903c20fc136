"""Catch behind a curtain: balls fall at a slant, and the last part of their way cannot be seen.

Osband et al. 2020, "Behaviour suite for reinforcement learning", has the plain game; here a ball
also moves sideways, bounces off the walls, and vanishes behind a curtain. No single picture tells
where it will land: its speed shows only between two pictures, and behind the curtain it must be
remembered.

A Gymnasium environment (Towers et al. 2024, arXiv 2407.17032): whatever plays those plays this.
"""

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

__all__ = ["ACTIONS", "BALLS", "HEIGHT", "WIDTH", "Catch", "landing", "scripted"]

HEIGHT = WIDTH = 12
BALLS = 10
ACTIONS = ("left", "stay", "right")
_SEEN = 5
"""Rows above the curtain."""
_REACH = 1
"""Pixels of the paddle on each side of its middle."""
_SPEEDS = (-2, -1, 1, 2)

Picture = NDArray[np.uint8]


@dataclass
class _Ball:
    row: int
    column: int
    speed: int


class Catch(gym.Env[Picture, np.int64 | int]):
    """A game of ten balls. Observation: uint8 (12, 12), 0 or 255; actions: left, stay, right."""

    def __init__(self) -> None:
        self.observation_space = gym.spaces.Box(0, 255, (HEIGHT, WIDTH), np.uint8)
        self.action_space = gym.spaces.Discrete(len(ACTIONS))
        self.paddle = WIDTH // 2
        self.ball = _Ball(0, 0, 1)
        self._fallen = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Picture, dict[str, Any]]:
        """A new game, the same one for the same seed; the first picture. There are no options."""
        super().reset(seed=seed, options=options)
        self.paddle, self._fallen = WIDTH // 2, 0
        self._drop()
        return self.picture(), {}

    def step(self, action: np.int64 | int) -> tuple[Picture, float, bool, bool, dict[str, Any]]:
        """Picture, reward (1 for a caught ball), over, cut short (never), nothing.

        Raises:
            ValueError: there is no such action.
        """
        if not self.action_space.contains(action):
            raise ValueError(f"action is {action}; accepted are 0 to {len(ACTIONS) - 1}")
        self.paddle = min(max(self.paddle + int(action) - 1, _REACH), WIDTH - 1 - _REACH)
        ball = self.ball
        ball.row += 1
        ball.column, ball.speed = _moved(ball.column, ball.speed)
        reward = 0.0
        if ball.row == HEIGHT - 1:
            reward = float(abs(ball.column - self.paddle) <= _REACH)
            self._fallen += 1
            self._drop()
        return self.picture(), reward, self._fallen == BALLS, False, {}

    def _drop(self) -> None:
        column, speed = self.np_random.integers(WIDTH), self.np_random.choice(_SPEEDS)
        self.ball = _Ball(0, int(column), int(speed))

    def picture(self, *, curtain: bool = True) -> Picture:
        """What a player sees; without the curtain, what is there."""
        picture = np.zeros((HEIGHT, WIDTH), np.uint8)
        picture[-1, self.paddle - _REACH : self.paddle + _REACH + 1] = 255
        if self.ball.row < _SEEN or not curtain:
            picture[self.ball.row, self.ball.column] = 255
        return picture


def _moved(column: int, speed: int) -> tuple[int, int]:
    """A step sideways, reflected where it would leave the field."""
    column += speed
    if column < 0:
        return -column, -speed
    if column >= WIDTH:
        return 2 * (WIDTH - 1) - column, -speed
    return column, speed


def landing(game: Catch) -> int:
    """The column where the ball will come down."""
    column, speed = game.ball.column, game.ball.speed
    for _ in range(HEIGHT - 1 - game.ball.row):
        column, speed = _moved(column, speed)
    return column


def scripted(game: Catch) -> int:
    """The action of a player who sees through the curtain, and computes where the ball lands."""
    return int(np.sign(landing(game) - game.paddle)) + 1
