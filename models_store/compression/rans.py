"""Interleaved asymmetric numeral systems: many symbols at once, with whole numbers alone.

Duda 2013 (arXiv 1311.2540), range variant; interleaved as Giesen 2014 (arXiv 1402.3392). A lane is
one coder with a state of its own; symbol i belongs to lane i mod L, and all lanes share one stream
of 16-bit words, so numpy codes a row of L symbols with some twenty calls. The range coder of
`models_store.compression.range_coder` writes one symbol after the other: its output is shorter
for a digit, and it is 100 times slower for a photograph.

States are whole numbers in 2^24 … 2^40 - 1, and frequencies are out of 2^16: no float decides
anything. A coder last in, first out: the encoder takes the symbols backwards.

Shapes: n symbols, L lanes, T tables, K symbols of the largest table.
"""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_SYMBOLS", "RansDecoder", "RansTables", "choose_lane_count", "rans_encode"]

PRECISION_BITS = 16
MAX_SYMBOLS = 256
"""Largest number of symbols in a table."""
_WORD_BITS = 16
_LOW_BITS = 24
_MIN_STATE = np.uint64(1 << _LOW_BITS)
_STATE_BYTES = 5
_MAX_LANE_BITS = 12
_BYTES_PER_LANE = 600
"""A lane costs three bytes that carry nothing: half a percent of so many."""

Frequencies = Sequence[Sequence[int]]
_Bytes = NDArray[np.uint8]
_Words = NDArray[np.uint16]
_States = NDArray[np.uint64]


class RansTables:
    """Tables of frequencies, as arrays that many symbols are looked up in at once."""

    def __init__(self, frequencies: Frequencies) -> None:
        """Each table's frequencies sum to 2^16; there are at most 256 symbols in one."""
        count, max_symbols = len(frequencies), max(map(len, frequencies))
        if max_symbols > MAX_SYMBOLS:
            raise ValueError(
                f"a table has {max_symbols} symbols; at most {MAX_SYMBOLS} are possible"
            )
        self.frequency = np.zeros((count, max_symbols), np.uint64)
        self.start = np.zeros((count, max_symbols), np.uint64)
        self.symbol_by_slot = np.zeros((count, 1 << PRECISION_BITS), np.uint8)
        for table, row in enumerate(frequencies):
            if sum(row) != 1 << PRECISION_BITS or min(row) < 0:
                raise ValueError(f"frequencies of table {table} sum to {sum(row)}, not 2^16")
            self.frequency[table, : len(row)] = row
            self.start[table, : len(row)] = list(accumulate(row, initial=0))[:-1]
            self.symbol_by_slot[table] = np.repeat(np.arange(len(row), dtype=np.uint8), row)
        with np.errstate(divide="ignore"):
            self._bits_per_symbol = (PRECISION_BITS - np.log2(self.frequency)).astype(np.float32)

    def estimate_bits(self, symbols: _Bytes, table: _Bytes) -> float:
        """Estimate the code length in bits; for reports only."""
        return float(self._bits_per_symbol[table, symbols].sum(dtype=np.float64))


def choose_lane_count(code_bytes: float) -> int:
    """A power of two, so that lanes cost little of what the symbols take."""
    affordable = max(1, int(code_bytes) // _BYTES_PER_LANE)
    return int(1 << min(_MAX_LANE_BITS, affordable.bit_length() - 1))


def rans_encode(stages: Sequence[tuple[_Bytes, _Bytes]], tables: RansTables) -> bytes:
    """Stages of (symbols, tables), (n,) each, in the order in which they will be decoded.

    Every stage begins with lane 0 anew, so that a decoder can ask for one after the other.
    """
    lanes = choose_lane_count(sum(tables.estimate_bits(*stage) for stage in stages) / 8)
    states: _States = np.full(lanes, _MIN_STATE)
    words: list[_Words] = []
    for symbols, table in reversed(stages):
        rows = range(0, len(symbols), lanes)
        for start in reversed(rows):
            row = slice(start, start + lanes)
            _encode_row(states, symbols[row], table[row], tables, words)
    words.reverse()
    header = bytes([lanes.bit_length() - 1])
    flat = np.concatenate(words) if words else np.empty(0, np.uint16)
    return header + _pack_states(states) + flat.astype("<u2").tobytes()


def _encode_row(
    states: _States, symbols: _Bytes, table: _Bytes, tables: RansTables, words: list[_Words]
) -> None:
    state = states[: len(symbols)]
    frequency = tables.frequency[table, symbols]
    overflowing = state >= frequency << np.uint64(_LOW_BITS)
    overflow = state[overflowing]
    words.append(overflow.astype(np.uint16))  # the lowest 16 bits
    state[overflowing] = overflow >> np.uint64(_WORD_BITS)
    quotient, remainder = np.divmod(state, frequency)
    state[:] = (quotient << np.uint64(PRECISION_BITS)) + remainder + tables.start[table, symbols]


class RansDecoder:
    """Reads what `rans_encode` wrote, stage by stage."""

    def __init__(self, data: bytes, tables: RansTables) -> None:
        """Raises ValueError: these bytes are no such code."""
        bits = data[0] if data else _MAX_LANE_BITS + 1
        if bits > _MAX_LANE_BITS:
            raise ValueError("it does not say how many lanes it has")
        self._lanes = 1 << bits
        end = 1 + self._lanes * _STATE_BYTES
        if len(data) < end or (len(data) - end) % 2:
            raise ValueError("its states or words are cut off")
        self._states = _unpack_states(data[1:end])
        if np.any(self._states < _MIN_STATE):
            raise ValueError("a state is too small")
        self._words = np.frombuffer(data, "<u2", offset=end).astype(np.uint64)
        self._position = 0
        self._tables = tables

    def decode(self, table: _Bytes) -> _Bytes:
        """The next stage's symbols (n,), by the table (n,) of each.

        Raises:
            ValueError: there are not so many.
        """
        symbols = np.empty(len(table), np.uint8)
        for start in range(0, len(table), self._lanes):
            row = slice(start, start + self._lanes)
            symbols[row] = self._decode_row(table[row])
        return symbols

    def _decode_row(self, table: _Bytes) -> _Bytes:
        state = self._states[: len(table)]
        slot = state & np.uint64((1 << PRECISION_BITS) - 1)
        symbols: _Bytes = self._tables.symbol_by_slot[table, slot]
        quotient = state >> np.uint64(PRECISION_BITS)
        start = self._tables.start[table, symbols]
        state[:] = self._tables.frequency[table, symbols] * quotient + slot - start
        (underflowing,) = np.nonzero(state < _MIN_STATE)
        words = self._words[self._position : self._position + len(underflowing)]
        if len(words) < len(underflowing):
            raise ValueError("it ends too early")
        self._position += len(underflowing)
        state[underflowing] = (state[underflowing] << np.uint64(_WORD_BITS)) | words
        return symbols

    def check_exhausted(self) -> None:
        """Raises ValueError: something is left, so this is not what was encoded."""
        if self._position != len(self._words) or np.any(self._states != _MIN_STATE):
            raise ValueError("something is left of it")


def _pack_states(states: _States) -> bytes:
    padded = states.astype("<u8").view(np.uint8).reshape(-1, 8)
    return padded[:, :_STATE_BYTES].tobytes()


def _unpack_states(data: bytes) -> _States:
    packed = np.frombuffer(data, np.uint8).reshape(-1, _STATE_BYTES)
    padded = np.zeros((len(packed), 8), np.uint8)
    padded[:, :_STATE_BYTES] = packed
    return padded.view("<u8")[:, 0].astype(np.uint64)
