"""Samples the next character of every text in a batch from one matrix of logits.

The operations on a row depend only on its own parameters, whatever the other rows have: a text must
not depend on its batch, and the last bits of a sum depend on the order of its terms.

Shapes: B texts, V vocabulary.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class SamplingParams:
    """Sampling parameters of one text."""

    temperature: float = 1.0
    """Divides the logits; 0 always takes the most likely character."""
    top_k: int | None = None
    """Sample only from the k most likely characters."""
    top_p: float = 1.0
    """Sample only from the most likely characters whose probabilities add up to p, at least one."""

    @property
    def truncates(self) -> bool:
        """True if top-k or top-p excludes some characters."""
        return self.top_k is not None or self.top_p < 1


@dataclass(frozen=True)
class TokenLogprobs:
    """Log probability of a character, and of the most probable ones, best first.

    Natural logarithms at temperature 1, whatever the sampling parameters.
    """

    logprob: float
    top: tuple[tuple[int, float], ...]
    """Indices of characters with their log probabilities."""


def token_logprobs(logits_V: NDArray[np.float32], token: int, top_n: int) -> TokenLogprobs:
    """Return log probabilities of `token` and the `top_n` best; ties by the lower index."""
    logits = logits_V.astype(np.float64)
    max_logit = logits.max()
    logprobs = logits - (max_logit + np.log(np.exp(logits - max_logit).sum()))
    best = np.argsort(-logprobs, kind="stable")[:top_n].tolist()
    return TokenLogprobs(
        float(logprobs[token]), tuple((index, float(logprobs[index])) for index in best)
    )


class BatchSampler:
    """The sampling parameters of a batch as arrays; rebuilt only when a text joins or leaves."""

    def __init__(self, params: Sequence[SamplingParams]) -> None:
        """`params` has an item for each row."""
        self._count = len(params)
        self._greedy = _matching_rows(params, lambda choice: choice.temperature == 0)
        self._full_vocabulary = _FullVocabularySampler(params)
        self._truncated = _TruncatedSampler(params)

    def sample(self, logits_BV: NDArray[np.float32], uniforms_B: NDArray[np.float64]) -> list[int]:
        """Return an index for each row. `uniforms_B` are random numbers in [0, 1), one per text.

        Of equal logits, the lower index counts as the more likely.
        """
        chosen_B = np.empty(self._count, np.int64)
        if len(self._greedy):
            chosen_B[self._greedy] = logits_BV[self._greedy].argmax(axis=1)
        for sampler in (self._full_vocabulary, self._truncated):
            if len(sampler.rows):
                chosen_B[sampler.rows] = sampler.sample(
                    logits_BV[sampler.rows], uniforms_B[sampler.rows, None]
                )
        tokens: list[int] = chosen_B.tolist()
        return tokens


class _FullVocabularySampler:
    """Samples from all characters, which needs no sorting."""

    def __init__(self, params: Sequence[SamplingParams]) -> None:
        self.rows = _matching_rows(
            params, lambda choice: choice.temperature > 0 and not choice.truncates
        )
        self._temperature_B1 = _column([params[row].temperature for row in self.rows])

    def sample(self, logits_BV: NDArray[np.float32], uniforms_B1: NDArray[np.float64]) -> Indices:
        max_logit_B1 = logits_BV.max(axis=1, keepdims=True)
        return _sample_index(
            _unnormalized_probabilities(logits_BV, max_logit_B1, self._temperature_B1), uniforms_B1
        )


class _TruncatedSampler:
    """Samples from the most likely characters, by top-k or top-p."""

    def __init__(self, params: Sequence[SamplingParams]) -> None:
        self.rows = _matching_rows(
            params, lambda choice: choice.temperature > 0 and choice.truncates
        )
        own_params = [params[row] for row in self.rows]
        self._temperature_B1 = _column([choice.temperature for choice in own_params])
        self._top_k_B1 = _column([choice.top_k or np.inf for choice in own_params])
        self._top_p_B1 = _column([choice.top_p for choice in own_params])

    def sample(self, logits_BV: NDArray[np.float32], uniforms_B1: NDArray[np.float64]) -> Indices:
        # Most likely first, so that the remaining ones are the beginning of each row.
        order_BV = np.argsort(-logits_BV, axis=1, kind="stable")
        sorted_BV = np.take_along_axis(logits_BV, order_BV, axis=1)
        weights_BV = _unnormalized_probabilities(sorted_BV, sorted_BV[:, :1], self._temperature_B1)
        weights_BV[np.arange(weights_BV.shape[1]) >= self._top_k_B1] = 0.0
        cumulative_BV = np.cumsum(weights_BV, axis=1)
        before_BV = cumulative_BV - weights_BV
        weights_BV[before_BV >= self._top_p_B1 * cumulative_BV[:, -1:]] = 0.0
        rank_B = _sample_index(weights_BV, uniforms_B1)
        return order_BV[np.arange(len(rank_B)), rank_B]


def _matching_rows(
    params: Sequence[SamplingParams], predicate: Callable[[SamplingParams], bool]
) -> Indices:
    return np.flatnonzero([predicate(choice) for choice in params])


def _column(values: Sequence[float]) -> NDArray[np.float64]:
    return np.array(values, np.float64)[:, None]


def _unnormalized_probabilities(
    logits_BV: NDArray[np.float32],
    max_logit_B1: NDArray[np.float32],
    temperature_B1: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return unnormalised probabilities. Nothing overflows, however small the temperature."""
    return np.exp((logits_BV - max_logit_B1).astype(np.float64) / temperature_B1)


def _sample_index(weights_BV: NDArray[np.float64], uniforms_B1: NDArray[np.float64]) -> Indices:
    cumulative_BV = np.cumsum(weights_BV, axis=1)
    rank_B: Indices = (cumulative_BV > uniforms_B1 * cumulative_BV[:, -1:]).argmax(axis=1)
    return rank_B
