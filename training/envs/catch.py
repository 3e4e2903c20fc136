"""Catch behind a curtain: balls fall diagonally and are hidden on the last part of their path.

Osband et al. 2020, "Behaviour suite for reinforcement learning", has the plain game. Here a ball
also moves sideways, bounces off the walls, and vanishes behind a curtain. A single frame does not
determine where the ball lands: its speed shows only in two successive frames and must be remembered
behind the curtain.

The game is a Gymnasium environment (Towers et al. 2024, arXiv 2407.17032).
"""

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

HEIGHT = WIDTH = 12
BALLS = 10
ACTIONS = ("left", "stay", "right")
_VISIBLE_ROWS = 5
"""Rows above the curtain."""
_PADDLE_REACH = 1
"""Pixels of the paddle on each side of its middle."""
_SPEEDS = (-2, -1, 1, 2)

Frame = NDArray[np.uint8]


@dataclass
class _Ball:
    row: int
    column: int
    speed: int


class Catch(gym.Env[Frame, np.int64 | int]):
    """A game of ten balls. Observations: uint8 (12, 12), 0 or 255; actions: left, stay, right."""

    def __init__(self) -> None:
        self.observation_space = gym.spaces.Box(0, 255, (HEIGHT, WIDTH), np.uint8)
        self.action_space = gym.spaces.Discrete(len(ACTIONS))
        self.paddle = WIDTH // 2
        self.ball = _Ball(0, 0, 1)
        self._balls_dropped = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Frame, dict[str, Any]]:
        """Start a new game, determined by the seed, and return its first frame."""
        super().reset(seed=seed, options=options)
        self.paddle, self._balls_dropped = WIDTH // 2, 0
        self._spawn_ball()
        return self.observe(), {}

    def step(self, action: np.int64 | int) -> tuple[Frame, float, bool, bool, dict[str, Any]]:
        """Return the frame, the reward (1 for a catch), over, truncated (always False), and {}.

        Raises:
            ValueError: `action` is not 0, 1 or 2.
        """
        if not self.action_space.contains(action):
            raise ValueError(f"action is {action}; it must be 0 to {len(ACTIONS) - 1}")
        self.paddle = min(
            max(self.paddle + int(action) - 1, _PADDLE_REACH), WIDTH - 1 - _PADDLE_REACH
        )
        ball = self.ball
        ball.row += 1
        ball.column, ball.speed = _advance_column(ball.column, ball.speed)
        reward = 0.0
        if ball.row == HEIGHT - 1:
            reward = float(abs(ball.column - self.paddle) <= _PADDLE_REACH)
            self._balls_dropped += 1
            self._spawn_ball()
        return self.observe(), reward, self._balls_dropped == BALLS, False, {}

    def _spawn_ball(self) -> None:
        column, speed = self.np_random.integers(WIDTH), self.np_random.choice(_SPEEDS)
        self.ball = _Ball(0, int(column), int(speed))

    def observe(self, *, curtain: bool = True) -> Frame:
        """Return the frame that a player sees; without the curtain, the ball is always visible."""
        frame = np.zeros((HEIGHT, WIDTH), np.uint8)
        frame[-1, self.paddle - _PADDLE_REACH : self.paddle + _PADDLE_REACH + 1] = 255
        if self.ball.row < _VISIBLE_ROWS or not curtain:
            frame[self.ball.row, self.ball.column] = 255
        return frame


def _advance_column(column: int, speed: int) -> tuple[int, int]:
    """Move one step sideways and reflect at the walls."""
    column += speed
    if column < 0:
        return -column, -speed
    if column >= WIDTH:
        return 2 * (WIDTH - 1) - column, -speed
    return column, speed


def landing_column(game: Catch) -> int:
    """Return the column where the ball will land."""
    column, speed = game.ball.column, game.ball.speed
    for _ in range(HEIGHT - 1 - game.ball.row):
        column, speed = _advance_column(column, speed)
    return column


def optimal_action(game: Catch) -> int:
    """Return the action of a player who sees through the curtain."""
    return int(np.sign(landing_column(game) - game.paddle)) + 1
