import math
from statistics import NormalDist

import numpy as np
import pytest
from numpy.random import Philox
from numpy.typing import NDArray

from models_store.sampling.latents import latent_from_seed, slerp, truncate


def test_philox_matches_the_published_test_vectors() -> None:
    # Random123 1.14, tests/kat_vectors: philox4x64 10, counter and key zero. Numpy counts first.
    words = Philox(key=0, counter=2**256 - 1).random_raw(4)
    assert [f"{word:016x}" for word in words.tolist()] == [
        "16554d9eca36314c", "db20fe9d672d0fdc", "d7e772cee186176b", "7e68b68aec7ba23b",
    ]  # fmt: skip


@pytest.mark.parametrize("seed", [0, 7, 2**63 + 63])
def test_numbers_are_the_box_muller_transform_of_the_seed(seed: int) -> None:
    a, b, c, d = Philox(key=seed).random_raw(4).tolist()
    expected = []
    for first, second in ((a, b), (c, d)):
        radius = math.sqrt(-2 * math.log(((first >> 11) + 1) / 2**53))
        angle = 2 * math.pi * (second >> 11) / 2**53
        expected += [radius * math.cos(angle), radius * math.sin(angle)]
    assert latent_from_seed(seed, 4) == pytest.approx(expected, rel=1e-6)
    assert latent_from_seed(seed, 3).tolist() == latent_from_seed(seed, 4)[:3].tolist()


def test_numbers_are_standard_normal_and_seeds_are_independent() -> None:
    many = np.stack([latent_from_seed(seed, 128) for seed in range(400)])
    assert many.dtype == np.float32
    shares = [0.001, 0.05, 0.25, 0.5, 0.75, 0.95, 0.999]
    expected = [NormalDist().inv_cdf(share) for share in shares]
    assert np.quantile(many, shares) == pytest.approx(expected, abs=0.1)
    assert np.quantile(many, shares[1:-1]) == pytest.approx(expected[1:-1], abs=0.03)
    neighbours = np.corrcoef(many[:-1].ravel(), many[1:].ravel())[0, 1]
    assert abs(neighbours) < 3 / math.sqrt(399 * 128)


def test_truncation_leads_to_the_typical_latent_along_the_sphere() -> None:
    own, typical = latent_from_seed(5, 128), latent_from_seed(6, 128)
    assert truncate(own, typical, 1) is own
    assert truncate(own, typical, 0) == pytest.approx(typical)
    lengths = [float(np.linalg.norm(truncate(own, typical, share))) for share in (0, 0.3, 0.6, 1)]
    assert min(lengths) > 0.9 * min(lengths[0], lengths[-1])


def _unit(*numbers: float) -> NDArray[np.float32]:
    return np.array(numbers, np.float32)


def test_the_way_between_follows_the_circle() -> None:
    start, end = _unit(1, 0), _unit(0, 1)
    assert slerp(start, end, 1 / 3) == pytest.approx([math.cos(math.pi / 6), 0.5], abs=1e-6)
    assert slerp(start, end, 0).tolist() == start.tolist()
    assert slerp(start, end, 1).tolist() == end.tolist()


def test_where_there_is_no_one_circle_the_way_is_straight() -> None:
    assert slerp(_unit(1, 0), _unit(3, 0), 0.5).tolist() == [2, 0]
    assert slerp(_unit(1, 0), _unit(-1, 0), 0.25).tolist() == [0.5, 0]
    assert slerp(_unit(0, 0), _unit(0, 0), 0.5).tolist() == [0, 0]
