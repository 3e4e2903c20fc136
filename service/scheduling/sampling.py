"""The next character of every text at once, from one matrix of logits.

What is done to a row depends on its own choice alone, whatever its neighbours ask for: a text must
not depend on who shares its batch, and the last bits of a sum depend on the order of its terms.

Shapes: B texts, V vocabulary.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Choice", "Choices", "Score", "score"]

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Choice:
    """How one text's next character is chosen."""

    temperature: float = 1.0
    """Divides the logits; 0 always takes the likeliest."""
    top_k: int | None = None
    """Only the k likeliest characters may be chosen."""
    top_p: float = 1.0
    """Only the likeliest characters whose probabilities add up to p; always at least one."""

    @property
    def narrows(self) -> bool:
        """Whether some characters may not be chosen at all."""
        return self.top_k is not None or self.top_p < 1


@dataclass(frozen=True)
class Score:
    """How likely the model held a character, and those that it held the likeliest, best first.

    Natural logarithms of probabilities at temperature 1, whatever the choice was.
    """

    log_probability: float
    best: tuple[tuple[int, float], ...]
    """Indices, each with its log probability."""


def score(logits_V: NDArray[np.float32], token: int, most: int) -> Score:
    """Of `token`, and of the `most` likeliest; between equals, the lower index first."""
    logits = logits_V.astype(np.float64)
    greatest = logits.max()
    logs = logits - (greatest + np.log(np.exp(logits - greatest).sum()))
    best = np.argsort(-logs, kind="stable")[:most].tolist()
    return Score(float(logs[token]), tuple((index, float(logs[index])) for index in best))


class Choices:
    """The choices of a batch, as arrays; made anew only when a text joins or leaves."""

    def __init__(self, choices: Sequence[Choice]) -> None:
        """One for each row."""
        self._count = len(choices)
        self._greedy = _rows(choices, lambda choice: choice.temperature == 0)
        self._plain = _Plain(choices)
        self._narrowed = _Narrowed(choices)

    def draw(self, logits_BV: NDArray[np.float32], uniforms_B: NDArray[np.float64]) -> list[int]:
        """An index for each row. `uniforms_B` are in [0, 1), one draw of each text's own.

        Between equal logits, the lower index counts as the likelier.
        """
        chosen_B = np.empty(self._count, np.int64)
        if len(self._greedy):
            chosen_B[self._greedy] = logits_BV[self._greedy].argmax(axis=1)
        for way in (self._plain, self._narrowed):
            if len(way.rows):
                chosen_B[way.rows] = way.draw(logits_BV[way.rows], uniforms_B[way.rows, None])
        chosen: list[int] = chosen_B.tolist()
        return chosen


class _Plain:
    """Every character may be chosen: no need to sort them."""

    def __init__(self, choices: Sequence[Choice]) -> None:
        self.rows = _rows(choices, lambda choice: choice.temperature > 0 and not choice.narrows)
        self._temperature_B1 = _column([choices[row].temperature for row in self.rows])

    def draw(self, logits_BV: NDArray[np.float32], uniforms_B1: NDArray[np.float64]) -> Indices:
        greatest_B1 = logits_BV.max(axis=1, keepdims=True)
        return _pick(_weights(logits_BV, greatest_B1, self._temperature_B1), uniforms_B1)


class _Narrowed:
    """Only the likeliest may be chosen, by top-k or top-p."""

    def __init__(self, choices: Sequence[Choice]) -> None:
        self.rows = _rows(choices, lambda choice: choice.temperature > 0 and choice.narrows)
        mine = [choices[row] for row in self.rows]
        self._temperature_B1 = _column([choice.temperature for choice in mine])
        self._top_k_B1 = _column([choice.top_k or np.inf for choice in mine])
        self._top_p_B1 = _column([choice.top_p for choice in mine])

    def draw(self, logits_BV: NDArray[np.float32], uniforms_B1: NDArray[np.float64]) -> Indices:
        # Likeliest first: what is left is then the beginning of each row.
        order_BV = np.argsort(-logits_BV, axis=1, kind="stable")
        sorted_BV = np.take_along_axis(logits_BV, order_BV, axis=1)
        weights_BV = _weights(sorted_BV, sorted_BV[:, :1], self._temperature_B1)
        weights_BV[np.arange(weights_BV.shape[1]) >= self._top_k_B1] = 0.0
        reached_BV = np.cumsum(weights_BV, axis=1)
        before_BV = reached_BV - weights_BV
        weights_BV[before_BV >= self._top_p_B1 * reached_BV[:, -1:]] = 0.0
        rank_B = _pick(weights_BV, uniforms_B1)
        return order_BV[np.arange(len(rank_B)), rank_B]


def _rows(choices: Sequence[Choice], wanted: Callable[[Choice], bool]) -> Indices:
    return np.flatnonzero([wanted(choice) for choice in choices])


def _column(values: Sequence[float]) -> NDArray[np.float64]:
    return np.array(values, np.float64)[:, None]


def _weights(
    logits_BV: NDArray[np.float32],
    greatest_B1: NDArray[np.float32],
    temperature_B1: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Probabilities but for a factor. Nothing overflows, however small the temperature."""
    return np.exp((logits_BV - greatest_B1).astype(np.float64) / temperature_B1)


def _pick(weights_BV: NDArray[np.float64], uniforms_B1: NDArray[np.float64]) -> Indices:
    reached_BV = np.cumsum(weights_BV, axis=1)
    rank_B: Indices = (reached_BV > uniforms_B1 * reached_BV[:, -1:]).argmax(axis=1)
    return rank_B
