import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models_store.compression.rans import RansDecoder, RansTables, choose_lane_count, rans_encode

HALVES = RansTables([[1 << 15, 1 << 15]])
MIXED = RansTables([[65_000, 500, 36], [1] * 255 + [(1 << 16) - 255], [1 << 16]])


def _bytes(values: list[int]) -> NDArray[np.uint8]:
    return np.array(values, np.uint8)


@st.composite
def stages(draw: st.DrawFn) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Some stages of any lengths, with many symbols of little probability."""
    made = []
    for length in draw(st.lists(st.integers(0, 700), max_size=4)):
        random = np.random.default_rng(draw(st.integers(0, 2**32)))
        table = random.integers(0, 3, length).astype(np.uint8)
        most = np.array([3, 256, 1])[table]
        made.append(((random.random(length) * most).astype(np.uint8), table))
    return made


@settings(max_examples=40, deadline=None)
@given(stages())
def test_what_was_encoded_is_decoded(
    made: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]],
) -> None:
    decoder = RansDecoder(rans_encode(made, MIXED), MIXED)
    for symbols, table in made:
        assert np.array_equal(decoder.decode(table), symbols)
    decoder.check_exhausted()


def test_three_bits_by_hand() -> None:
    """Backwards: 2^24 → 2^25 → 2^26 + 2^15 → 2^27 + 2^16, by x' = (x div f) M + x mod f + start."""
    symbols, table = _bytes([0, 1, 0]), _bytes([0, 0, 0])
    state = 2**24
    for start in (0, 2**15, 0):
        state = (state // 2**15) * 2**16 + state % 2**15 + start
    expected = bytes([0]) + state.to_bytes(5, "little")
    assert rans_encode([(symbols, table)], HALVES) == expected
    assert state == 2**27 + 2**16


def test_a_long_code_takes_what_information_theory_says() -> None:
    random = np.random.default_rng(0)
    table = np.zeros(200_000, np.uint8)
    symbols = MIXED.symbol_by_slot[table, random.integers(0, 1 << 16, len(table))]
    code = rans_encode([(symbols, table)], MIXED)
    assert len(code) < MIXED.estimate_bits(symbols, table) / 8 * 1.01
    assert 1 << code[0] == choose_lane_count(MIXED.estimate_bits(symbols, table) / 8) > 1


@pytest.mark.parametrize("end", [0, 1, 5, 40, -1, -2])
def test_a_code_that_is_cut_off_is_refused(end: int) -> None:
    table = np.ones(300, np.uint8)
    code = rans_encode([(np.arange(300).astype(np.uint8), table)], MIXED)
    with pytest.raises(ValueError, match=r"cut off|ends too early|left|how many|too small"):
        _read(code[:end], table)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 400))
def test_any_bytes_are_symbols_or_a_value_error(data: bytes, count: int) -> None:
    with contextlib.suppress(ValueError):
        _read(data, np.zeros(count, np.uint8))


def test_frequencies_must_fill_the_table() -> None:
    with pytest.raises(ValueError, match="sum to 65535"):
        RansTables([[65_535]])
    with pytest.raises(ValueError, match="at most 256"):
        RansTables([[256] * 257])


def _read(data: bytes, table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    decoder = RansDecoder(data, MIXED)
    symbols = decoder.decode(table)
    decoder.check_exhausted()
    return symbols
