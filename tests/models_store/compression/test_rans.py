import contextlib
from bisect import bisect_right
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models_store.compression.rans import RansDecoder, RansTables, choose_lane_count, rans_encode
from models_store.varint import decode_varint

HALVES = RansTables([[1 << 15, 1 << 15]])
FREQUENCIES = [[65_000, 500, 36], [1] * 255 + [(1 << 16) - 255], [1 << 16]]
MIXED = RansTables(FREQUENCIES)

Stage = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Symbols and tables."""


def _bytes(values: list[int]) -> NDArray[np.uint8]:
    return np.array(values, np.uint8)


@st.composite
def stages(draw: st.DrawFn) -> list[Stage]:
    """Return stages of random lengths, with many improbable symbols."""
    lengths = draw(st.lists(st.integers(0, 700), max_size=4))
    return [
        _stage(np.random.default_rng(draw(st.integers(0, 2**32))), length) for length in lengths
    ]


def _stage(random: np.random.Generator, length: int) -> Stage:
    table = random.integers(0, 3, length).astype(np.uint8)
    symbol_counts = np.array([len(row) for row in FREQUENCIES])[table]
    return (random.random(length) * symbol_counts).astype(np.uint8), table


@settings(max_examples=40)
@given(stages())
def test_what_was_encoded_is_decoded(made: list[Stage]) -> None:
    _assert_decodes(rans_encode(made, MIXED), made)


@pytest.mark.parametrize("lanes", [1, 2, 8])
def test_older_layout_is_still_read(lanes: int) -> None:
    made = _five_stages()
    _assert_decodes(_encode_older_layout(made, lanes), made)


def test_layout_is_the_documented_one() -> None:
    made = _five_stages()
    code = rans_encode(made, MIXED)
    assert code[0] == 16 + 3
    tables = [table.tolist() for _, table in made]
    assert _decode_symbol_by_symbol(code, tables) == [symbols.tolist() for symbols, _ in made]


def test_misplaced_halving_of_lanes_is_reported_as_damage() -> None:
    made = _five_stages()
    code = bytearray(rans_encode(made, MIXED))
    code[1] -= 1  # rows before the first halving
    with pytest.raises(ValueError, match="does not end in its initial state"):
        RansDecoder(bytes(code), MIXED).decode(np.concatenate([table for _, table in made]))


def test_three_bits_by_hand() -> None:
    """Backwards: 2^24 → 2^25 → 2^26 + 2^15 → 2^27 + 2^16, by x' = (x div f) M + x mod f + start."""
    symbols, table = _bytes([0, 1, 0]), _bytes([0, 0, 0])
    state = 2**24
    for start in (0, 2**15, 0):
        state = (state // 2**15) * 2**16 + state % 2**15 + start
    expected = bytes([16]) + state.to_bytes(5, "little")
    assert rans_encode([(symbols, table)], HALVES) == expected
    assert state == 2**27 + 2**16


def test_long_code_has_the_length_of_its_information() -> None:
    random = np.random.default_rng(0)
    table = np.zeros(200_000, np.uint8)
    symbols = random.choice(3, len(table), p=np.array(FREQUENCIES[0]) / 2**16).astype(np.uint8)
    code = rans_encode([(symbols, table)], MIXED)
    assert len(code) < MIXED.estimate_bits(symbols, table) / 8 * 1.01
    assert 1 << code[0] - 16 == choose_lane_count(MIXED.estimate_bits(symbols, table) / 8) > 1


@pytest.mark.parametrize("end", [0, 1, 5, 40, -1, -2])
def test_a_code_that_is_cut_off_is_rejected(end: int) -> None:
    table = np.ones(300, np.uint8)
    code = rans_encode([(np.arange(300).astype(np.uint8), table)], MIXED)
    with pytest.raises(
        ValueError, match=r"truncated|too short|left|number of|too small|initial state"
    ):
        _read(code[:end], table)


@settings(max_examples=60)
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


def _assert_decodes(code: bytes, made: list[Stage]) -> None:
    decoder = RansDecoder(code, MIXED)
    for symbols, table in made:
        assert np.array_equal(decoder.decode(table), symbols)
    decoder.check_exhausted()


def _five_stages() -> list[Stage]:
    """Return stages that take some 1,300 bytes, enough for eight lanes."""
    random = np.random.default_rng(1)
    return [_stage(random, length) for length in (900, 0, 37, 900, 3)]


def _encode_older_layout(made: list[Stage], lanes: int) -> bytes:
    """Encode with a fixed number of lanes, symbol by symbol, after Giesen 2014."""
    states, words = [2**24] * lanes, list[int]()
    for symbols, table in reversed(made):
        for index in reversed(range(len(symbols))):
            row, symbol, lane = FREQUENCIES[table[index]], symbols[index], index % lanes
            if states[lane] >= row[symbol] << 24:
                words.insert(0, states[lane] % 2**16)
                states[lane] >>= 16
            quotient, remainder = divmod(states[lane], row[symbol])
            states[lane] = quotient * 2**16 + remainder + sum(row[:symbol])
    fields = [state.to_bytes(5, "little") for state in states]
    fields += [word.to_bytes(2, "little") for word in words]
    return bytes([lanes.bit_length() - 1]) + b"".join(fields)


def _decode_symbol_by_symbol(code: bytes, tables: list[list[int]]) -> list[list[int]]:
    bits, position, rows = code[0] - 16, 1, list[int]()
    for _ in range(bits):
        value, position = decode_varint(code, position)
        rows.append(value)
    end = position + 5 * 2**bits
    states = [int.from_bytes(code[at : at + 5], "little") for at in range(position, end, 5)]
    words = [int.from_bytes(code[at : at + 2], "little") for at in range(end, len(code), 2)]
    stages = []
    for table in tables:
        symbols = list[int]()
        while len(symbols) < len(table):
            while rows and rows[0] == 0:
                half = len(states) // 2
                words = [w for x in states[half:] for w in (x % 2**16, x // 2**16 % 2**16)] + words
                states, rows = states[:half], rows[1:]
            for lane in range(min(len(states), len(table) - len(symbols))):
                row = FREQUENCIES[table[len(symbols)]]
                starts, slot = [0, *accumulate(row)], states[lane] % 2**16
                symbols.append(bisect_right(starts, slot) - 1)
                states[lane] = row[symbols[-1]] * (states[lane] >> 16) + slot - starts[symbols[-1]]
                if states[lane] < 2**24:
                    states[lane] = states[lane] << 16 | words.pop(0)
            rows[:1] = [count - 1 for count in rows[:1]]
        stages.append(symbols)
    assert states == [2**24]
    assert not words
    assert not rows
    return stages
