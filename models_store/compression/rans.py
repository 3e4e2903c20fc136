"""Interleaved asymmetric numeral systems: many symbols at once, with integers alone.

Duda 2013 (arXiv 1311.2540), range variant; interleaved as Giesen 2014 (arXiv 1402.3392). A lane is
one coder with a state of its own; symbol i belongs to lane i mod L, and all lanes share one stream
of 16-bit words, so numpy decodes a row of L symbols with twelve calls. The range coder of
`models_store.compression.range_coder` writes one symbol after the other: its output is shorter
for a digit, and it is 100 times slower for a photograph.

    1 byte   16 + b: there are 2^b lanes
    b        varints: how many rows to decode before the number of lanes halves, and halves again …
    5 · 2^b  states, little-endian
    …        16-bit words, little-endian

A coder is last in, first out: the encoder takes the symbols backwards. It starts with one lane and
doubles their number as soon as it has written enough words: a new lane starts with two of these
words as its state, and the decoder puts them back when the number halves. So a lane costs one byte.
In the older layout, which is still read, all lanes run from beginning to end and cost four bytes
each; its first byte is b, and no varints follow.

States are integers in 2^24 … 2^40 - 1, and frequencies are out of 2^16: no float decides anything.

Shapes: n symbols, L lanes, T tables, K symbols of all tables together.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models_store.varint import decode_varint, encode_varint

PRECISION_BITS = 16
MAX_SYMBOLS = 256
"""Largest number of symbols in a table."""
_MAX_TABLES = 256
_WORD_BITS = np.int64(16)
_LOW_BITS = np.int64(24)
_MIN_STATE = np.int64(1 << 24)
_STATE_BYTES = 5
_NEW_LANE_BITS = np.int64(32)
"""A new lane's state is 2^32 plus two words."""
_HALVING_FLAG = 16
_MAX_LANE_BITS = 12
_MAX_VARINT_BYTES = 4
_BYTES_PER_LANE = 150
"""A lane's state has one byte that carries nothing: at most 0.7 % of this."""

Frequencies = Sequence[Sequence[int]]
_Bytes = NDArray[np.uint8]
_Words = NDArray[np.uint16]
_Ints = NDArray[np.int64]


class RansTables:
    """Tables of frequencies, as arrays that many symbols are looked up in at once."""

    def __init__(self, frequencies: Frequencies) -> None:
        """Each table's frequencies sum to 2^16; there are at most 256 symbols in one."""
        sizes = [len(row) for row in frequencies]
        if max(sizes) > MAX_SYMBOLS or len(sizes) > _MAX_TABLES:
            raise ValueError(
                f"{len(sizes)} tables of up to {max(sizes)} symbols; at most {_MAX_TABLES} of "
                f"{MAX_SYMBOLS} are possible"
            )
        for table, row in enumerate(frequencies):
            if sum(row) != 1 << PRECISION_BITS or min(row) < 0:
                raise ValueError(f"frequencies of table {table} sum to {sum(row)}, not 2^16")
        self.first_key: _Ints = np.cumsum([0, *sizes[:-1]], dtype=np.int64)
        """Keys number the symbols of all tables. Each table's symbol 0 has this key (T,)."""
        self.symbol: _Bytes = np.concatenate([np.arange(n, dtype=np.uint8) for n in sizes])
        frequency = np.concatenate([np.array(row, np.int64) for row in frequencies])
        self.key_by_slot = np.repeat(np.arange(sum(sizes), dtype=np.uint16), frequency)
        """(T · 2^16,), by table · 2^16 + slot."""
        first_slot = np.cumsum(frequency) - frequency
        self.intervals: _Ints = np.stack([frequency, first_slot], axis=1)
        """Frequency and first slot of each key (K, 2)."""

    def keys(self, symbols: _Bytes, table: _Bytes) -> _Ints:
        """Return the key of each symbol (n,) of its table (n,)."""
        return self.first_key[table] + symbols

    def estimate_bits(self, symbols: _Bytes, table: _Bytes) -> float:
        """Estimate the code length in bits; decides how many lanes there are."""
        frequency = self.intervals[self.keys(symbols, table), 0]
        return PRECISION_BITS * len(symbols) - float(np.log2(frequency).sum())


def choose_lane_count(code_bytes: float) -> int:
    """Return a power of two, so that lanes cost little of what the symbols take."""
    affordable = max(1, int(code_bytes) // _BYTES_PER_LANE)
    return int(1 << min(_MAX_LANE_BITS, affordable.bit_length() - 1))


def rans_encode(stages: Sequence[tuple[_Bytes, _Bytes]], tables: RansTables) -> bytes:
    """Encode stages of (symbols, tables), (n,) each, in the order in which they will be decoded.

    Every stage begins with lane 0 anew, so that a decoder can ask for one after the other.
    """
    bits = sum(tables.estimate_bits(*stage) for stage in stages)
    encoder = _RansEncoder(choose_lane_count(bits / 8))
    for symbols, table in reversed(stages):
        intervals = tables.intervals[tables.keys(symbols, table)]
        encoder.encode(intervals[:, 0].copy(), intervals[:, 1] & (1 << PRECISION_BITS) - 1)
    return encoder.finish()


class _RansEncoder:
    """Writes stages, the last to be decoded first."""

    def __init__(self, max_lanes: int) -> None:
        self._max_lanes = max_lanes
        self._states: _Ints = np.full(1, _MIN_STATE, "<i8")
        self._words: list[_Words] = []
        self._word_count = 0
        self._rows = [0]
        """Rows since the last doubling, and before it the rows between doublings, latest first."""

    def encode(self, frequency: _Ints, start: _Ints) -> None:
        """Encode one stage: frequency and first slot (n,) of each symbol."""
        stop = len(frequency)
        while stop:
            lanes = len(self._states)
            row = slice((stop - 1) // lanes * lanes, stop)
            self._encode_row(frequency[row], start[row])
            stop = row.start
            enough_words = self._word_count >= 2 * lanes
            if lanes < self._max_lanes and enough_words and stop % (2 * lanes) == 0:
                self._double_lanes()

    def finish(self) -> bytes:
        bits = len(self._states).bit_length() - 1
        halvings = b"".join(encode_varint(rows) for rows in self._rows[:bits])
        header = bytes([_HALVING_FLAG + bits]) + halvings
        states = self._states.view(np.uint8).reshape(-1, 8)[:, :_STATE_BYTES]
        return header + states.tobytes() + self._stream().tobytes()

    def _encode_row(self, frequency: _Ints, start: _Ints) -> None:
        states = self._states[: len(frequency)]
        overflow = states >= frequency << _LOW_BITS
        words = states.view("<u2")[::4][overflow]
        self._words.append(words)
        self._word_count += len(words)
        np.right_shift(states, _WORD_BITS, out=states, where=overflow)
        # With q = x div f: the next state, 2^16 q + x mod f + start, is x + q (2^16 - f) + start.
        states += states // frequency * ((1 << PRECISION_BITS) - frequency) + start
        self._rows[0] += 1

    def _double_lanes(self) -> None:
        stream, used = self._stream(), 2 * len(self._states)
        new = stream[:used].view("<u4").astype("<i8") + (1 << _NEW_LANE_BITS)
        self._states = np.concatenate([self._states, new])
        self._words, self._word_count = [stream[used:]], len(stream) - used
        self._rows.insert(0, 0)

    def _stream(self) -> _Words:
        """Return the words in decoding order."""
        return np.concatenate([np.empty(0, "<u2"), *reversed(self._words)])


class RansDecoder:
    """Reads what `rans_encode` wrote, stage by stage."""

    def __init__(self, data: bytes, tables: RansTables) -> None:
        """Raise ValueError if these bytes are not such a code."""
        flag, bits = divmod(data[0] if data else 2 * _HALVING_FLAG, _HALVING_FLAG)
        if flag > 1 or bits > _MAX_LANE_BITS:
            raise ValueError("its number of lanes is missing")
        self._rows_to_halving, start = [], 1
        for _ in range(bits * flag):
            rows, start = decode_varint(data, start, _MAX_VARINT_BYTES)
            self._rows_to_halving.append(rows)
        end = start + (_STATE_BYTES << bits)
        if len(data) < end or (len(data) - end) % 2:
            raise ValueError("its states or words are truncated")
        self._states = _unpack_states(data[start:end])
        if np.any(self._states < _MIN_STATE):
            raise ValueError("a state is too small")
        self._words: _Words = np.frombuffer(data, "<u2", offset=end)
        self._position = 0
        self._tables = tables

    def decode(self, table: _Bytes) -> _Bytes:
        """Return the next stage's symbols (n,), by the table (n,) of each.

        Raises:
            ValueError: there are not so many.
        """
        first_slot = table.astype(np.int64) << PRECISION_BITS
        keys = np.empty(len(table), np.uint16)
        start = 0
        while start < len(table):
            rows, lanes = self._next_rows(len(table) - start)
            part = slice(start, start + rows * lanes)
            self._decode_rows(
                first_slot[part].reshape(rows, lanes), keys[part].reshape(rows, lanes)
            )
            start = part.stop
        return self._tables.symbol[keys]

    def check_exhausted(self) -> None:
        """Raise ValueError if something is left, so that this is not what was encoded."""
        left = len(self._words) - self._position or len(self._rows_to_halving)
        if left or np.any(self._states != _MIN_STATE):
            raise ValueError("bytes are left over")

    def _next_rows(self, symbols: int) -> tuple[int, int]:
        """Return how many rows of how many lanes to decode next, of a stage's last `symbols`."""
        while self._rows_to_halving and not self._rows_to_halving[0]:
            self._halve_lanes()
        lanes = min(len(self._states), symbols)
        rows = symbols // lanes
        if self._rows_to_halving:
            rows = min(rows, self._rows_to_halving[0])
            self._rows_to_halving[0] -= rows
        return rows, lanes

    def _decode_rows(self, first_slots: _Ints, keys: _Words) -> None:
        """Decode rows: first slot of each symbol's table (rows, lanes) → keys (rows, lanes).

        Arrays are allocated once; for a row, they would take longer than the arithmetic.
        """
        lanes = first_slots.shape[1]
        states, words, position = self._states[:lanes], self._words, self._position
        low = states.view("<u2")[::4]
        slots, intervals = np.empty(lanes, np.int64), np.empty((lanes, 2), np.int64)
        frequency, start = intervals[:, 0], intervals[:, 1]
        underflow = np.empty(lanes, np.bool_)
        for row_slots, row_keys in zip(first_slots, keys, strict=True):
            np.add(row_slots, low, out=slots)
            self._tables.key_by_slot.take(slots, out=row_keys, mode="clip")
            self._tables.intervals.take(row_keys, axis=0, out=intervals, mode="clip")
            np.right_shift(states, _WORD_BITS, out=states)
            np.multiply(states, frequency, out=states)
            np.add(states, slots, out=states)
            np.subtract(states, start, out=states)
            np.less(states, _MIN_STATE, out=underflow)
            count = int(np.count_nonzero(underflow))
            np.left_shift(states, _WORD_BITS, out=states, where=underflow)
            if position + count > len(words):
                raise ValueError("it is too short")
            low[underflow] = words[position : position + count]
            position += count
        self._position = position

    def _halve_lanes(self) -> None:
        """Put the words of the upper half's states back into the stream."""
        del self._rows_to_halving[0]
        self._states, dropped = np.split(self._states, 2)
        if np.any(dropped >> _NEW_LANE_BITS != 1):
            raise ValueError("a lane does not end in its initial state")
        words = dropped.astype("<u4").view("<u2")  # the lowest 32 bits
        self._words = np.concatenate([words, self._words[self._position :]])
        self._position = 0


def _unpack_states(data: bytes) -> _Ints:
    packed = np.frombuffer(data, np.uint8).reshape(-1, _STATE_BYTES)
    padded = np.zeros((len(packed), 8), np.uint8)
    padded[:, :_STATE_BYTES] = packed
    return padded.view("<i8")[:, 0]
