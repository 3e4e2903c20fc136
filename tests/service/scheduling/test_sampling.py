import numpy as np
import pytest
from numpy.typing import NDArray

from service.scheduling.sampling import BatchSampler, SamplingParams, token_logprobs

# Shares 0.5, 0.25, 0.15, 0.1, not in order.
SHARES = np.array([0.25, 0.1, 0.5, 0.15])
LOGITS: NDArray[np.float32] = np.log(SHARES)[None].astype(np.float32)


def draw(choice: SamplingParams, uniform: float, logits: NDArray[np.float32] = LOGITS) -> int:
    return BatchSampler([choice]).sample(logits, np.array([uniform]))[0]


def counts(choice: SamplingParams, draws: int = 20_000) -> NDArray[np.float64]:
    """Return the frequency of each index over many draws."""
    many = np.repeat(LOGITS, draws, axis=0)
    uniforms = np.random.default_rng(0).random(draws)
    chosen = BatchSampler([choice] * draws).sample(many, uniforms)
    return np.bincount(chosen, minlength=len(SHARES)) / draws


def test_characters_are_sampled_with_the_models_probabilities() -> None:
    # 4 standard deviations of a share of 0.5 in 20,000 draws are 0.014.
    assert counts(SamplingParams()) == pytest.approx(SHARES, abs=0.015)


def test_a_temperature_is_an_exponent_of_the_shares() -> None:
    sharper = SHARES**2 / (SHARES**2).sum()
    assert counts(SamplingParams(temperature=0.5)) == pytest.approx(sharper, abs=0.015)


@pytest.mark.parametrize("uniform", [0.0, 0.5, 0.999999])
def test_temperature_zero_takes_the_likeliest(uniform: float) -> None:
    assert draw(SamplingParams(temperature=0), uniform) == 2


@pytest.mark.parametrize("temperature", [1e-9, 1e-300])
def test_a_tiny_temperature_is_as_good_as_zero(temperature: float) -> None:
    assert draw(SamplingParams(temperature=temperature), 0.999999) == 2


@pytest.mark.parametrize("others", [[], [SamplingParams()]])
def test_greedy_takes_the_first_of_equals_in_any_batch(
    others: list[SamplingParams],
) -> None:
    logits = np.zeros((1 + len(others), 5), np.float32)
    uniforms = np.full(len(logits), 0.5)
    assert BatchSampler([SamplingParams(temperature=0), *others]).sample(logits, uniforms)[0] == 0


def test_top_k_leaves_the_k_likeliest() -> None:
    shares = counts(SamplingParams(top_k=2))
    assert shares == pytest.approx([1 / 3, 0, 2 / 3, 0], abs=0.015)


def test_top_k_over_the_vocabulary_leaves_all() -> None:
    assert counts(SamplingParams(top_k=1000)) == pytest.approx(SHARES, abs=0.015)


@pytest.mark.parametrize(
    ("top_p", "left"), [(0.49, [2]), (0.51, [0, 2]), (0.76, [0, 2, 3]), (1.0, [0, 1, 2, 3])]
)
def test_top_p_leaves_the_fewest_that_add_up_to_it(top_p: float, left: list[int]) -> None:
    assert np.flatnonzero(counts(SamplingParams(top_p=top_p))).tolist() == left


def test_top_p_applies_after_top_k() -> None:
    # Of the two that are left, the likelier has 2 / 3.
    assert np.flatnonzero(counts(SamplingParams(top_k=2, top_p=0.6))).tolist() == [2]


@pytest.mark.parametrize("uniform", [0.0, 1 - 2**-53])
def test_the_ends_of_the_draw_choose_something_likely(uniform: float) -> None:
    impossible = np.array([[-np.inf, 0.0, 0.0, -np.inf]], np.float32)
    assert draw(SamplingParams(), uniform, impossible) in (1, 2)


def test_a_row_does_not_depend_on_the_rows_beside_it() -> None:
    random = np.random.default_rng(1)
    logits = (3 * random.standard_normal((64, 65))).astype(np.float32)
    uniforms = random.random(64)
    kinds = [
        SamplingParams(0),
        SamplingParams(),
        SamplingParams(0.7, 5),
        SamplingParams(1.3, None, 0.9),
        SamplingParams(0.5, 40, 0.3),
    ]
    choices = [kinds[row % len(kinds)] for row in range(64)]
    together = BatchSampler(choices).sample(logits, uniforms)
    alone = [
        BatchSampler([choice]).sample(logits[row : row + 1], uniforms[row : row + 1])[0]
        for row, choice in enumerate(choices)
    ]
    assert together == alone


def test_a_score_is_the_log_probability_at_temperature_one() -> None:
    token = token_logprobs(LOGITS[0] + np.float32(1000), 3, 2)
    assert token.logprob == pytest.approx(np.log(0.15), abs=1e-4)
    assert [index for index, _ in token.top] == [2, 0]
    assert [logprob for _, logprob in token.top] == pytest.approx(np.log([0.5, 0.25]), abs=1e-4)


def test_equal_log_probabilities_are_ordered_by_index() -> None:
    assert token_logprobs(np.zeros(4, np.float32), 1, 2).top == ((0, -np.log(4)), (1, -np.log(4)))
    assert token_logprobs(np.zeros(4, np.float32), 1, 0).top == ()
