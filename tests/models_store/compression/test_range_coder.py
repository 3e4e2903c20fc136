import math
from collections.abc import Sequence
from contextlib import suppress
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_store.compression.range_coder import RangeDecoder, RangeEncoder


def _table(weights: Sequence[int]) -> list[int]:
    """Return cumulative frequencies out of 2^16 in proportion to `weights`, 1 and more each."""
    spare = 2**16 - len(weights)
    shares = [1 + weight * spare // sum(weights) for weight in weights]
    shares[0] += 2**16 - sum(shares)
    return [0, *accumulate(shares)]


def _encoded(table: Sequence[int], symbols: Sequence[int]) -> bytes:
    coder = RangeEncoder()
    for symbol in symbols:
        coder.encode(table[symbol], table[symbol + 1] - table[symbol])
    return coder.finish()


def _decoded(table: Sequence[int], data: bytes, count: int) -> list[int]:
    coder = RangeDecoder(data)
    symbols = [coder.decode(table) for _ in range(count)]
    coder.check_exhausted()
    return symbols


@st.composite
def _tables_and_symbols(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    weights = draw(st.lists(st.integers(1, 10**6), min_size=1, max_size=40))
    symbols = st.integers(0, len(weights) - 1)
    return _table(weights), draw(st.lists(symbols, max_size=200))


@given(_tables_and_symbols())
def test_what_is_encoded_is_decoded(case: tuple[list[int], list[int]]) -> None:
    table, symbols = case
    assert _decoded(table, _encoded(table, symbols), len(symbols)) == symbols


@given(_tables_and_symbols())
def test_a_message_takes_its_information_and_at_most_a_byte_more(
    case: tuple[list[int], list[int]],
) -> None:
    table, symbols = case
    bits = sum(16 - math.log2(table[s + 1] - table[s]) for s in symbols)
    # One bit where the interval straddles the shortest number; the rest fills the last byte.
    assert len(_encoded(table, symbols)) <= math.ceil((bits + 1.01) / 8)


def test_four_quarters_are_two_bits_each() -> None:
    # By hand: 01 10 11 00 is 6C, then zeros, which are not written.
    quarters = [0, 2**14, 2**15, 3 * 2**14, 2**16]
    assert _encoded(quarters, [1, 2, 3, 0]) == b"\x6c"
    assert _encoded(quarters, [1, 2, 3, 0] + [0] * 100) == b"\x6c"
    assert _encoded(quarters, []) == b""


def test_a_carry_runs_through_all_bytes_before_it() -> None:
    # The middle symbol straddles one half: below it every bit is 1, and above it every bit 0.
    table = [0, 2**15 - 1, 2**15 + 1, 2**16]
    for length in (2, 3, 10, 50):
        symbols = [1, *[0, 2] * length, 1]
        assert _decoded(table, _encoded(table, symbols), len(symbols)) == symbols


@given(st.binary(max_size=60), st.integers(0, 80))
def test_any_bytes_are_symbols_or_a_value_error(data: bytes, count: int) -> None:
    table = _table([5, 1, 300, 2])
    with suppress(ValueError):
        assert all(0 <= symbol < 4 for symbol in _decoded(table, data, count))


@given(st.lists(st.tuples(st.integers(0, 2**16 - 1), st.integers(1, 16)), max_size=40))
def test_plain_bits_come_back(pairs: list[tuple[int, int]]) -> None:
    coder = RangeEncoder()
    for value, count in pairs:
        coder.encode_bits(value & (1 << count) - 1, count)
    decoder = RangeDecoder(coder.finish())
    assert [decoder.decode_bits(count) for _, count in pairs] == [
        value & (1 << count) - 1 for value, count in pairs
    ]


def test_trailing_bytes_are_damage() -> None:
    quarters = [0, 2**14, 2**15, 3 * 2**14, 2**16]
    with pytest.raises(ValueError, match="3 bytes are left over"):
        _decoded(quarters, b"\x6c" + b"\0" * 8, 1)
