"""Integer latents ↔ bytes, by their frequencies in the training data.

The tables are published with the model (role `tables`), as whole numbers. Dimension d of the
latents is coded with table d. A value outside its table is coded as the table's escape symbol and
then by its distance, so every latent can be written.

Shapes: D latent dimensions, N positions of each (h × w of one image).
"""

from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt, ValidationError, model_validator

from models_store.base import FrozenModel
from models_store.compression.range_coder import PRECISION_BITS, RangeDecoder, RangeEncoder
from models_store.errors import ManifestError
from models_store.validation_messages import format_errors

Latents = NDArray[np.int16]
TablesT = TypeVar("TablesT", bound=FrozenModel)

_MIN_LATENT, _MAX_LATENT = -(2**15), 2**15 - 1
_LENGTH_BITS = 5
"""Bits that encode the bit length of an escaped value's distance, which is at most 17."""


class FrequencyTable(FrozenModel):
    """Frequencies of the values of one latent dimension, out of 2^16; the escape symbol is last."""

    lowest: Annotated[int, Field(ge=_MIN_LATENT, le=_MAX_LATENT)]
    """Value of the first frequency; each next one is greater by 1."""
    frequencies: Annotated[tuple[PositiveInt, ...], Field(min_length=2, max_length=2**15)]

    @model_validator(mode="after")
    def _check_sum(self) -> Self:
        if sum(self.frequencies) != 1 << PRECISION_BITS:
            raise ValueError(f"frequencies sum to {sum(self.frequencies)}, not 2^{PRECISION_BITS}")
        if self.highest > _MAX_LATENT:
            raise ValueError(f"the table extends to {self.highest}, beyond {_MAX_LATENT}")
        return self

    @property
    def highest(self) -> int:
        return self.lowest + len(self.frequencies) - 2

    @property
    def escape_index(self) -> int:
        return len(self.frequencies) - 1

    @cached_property
    def cumulative(self) -> tuple[int, ...]:
        return (0, *accumulate(self.frequencies))


class FrequencyTables(FrozenModel):
    """One table for each latent dimension."""

    precision_bits: Literal[16] = 16
    tables: Annotated[tuple[FrequencyTable, ...], Field(min_length=1)]


def read_tables(path: Path, kind: type[TablesT]) -> TablesT:
    """Return the tables of a published model, of `FrequencyTables` or `ScaleTables`.

    Raises:
        ManifestError: the file is not valid.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ManifestError(f"{path.name}: {format_errors(error, kind)}") from error


def encode_latents(latents_DN: Latents, tables: FrequencyTables) -> bytes:
    """Return the code of one image's latents; it does not hold N."""
    if len(latents_DN) != len(tables.tables):
        raise ValueError(f"{len(latents_DN)} latent dimensions, {len(tables.tables)} tables")
    coder = RangeEncoder()
    for table, values in zip(tables.tables, latents_DN.tolist(), strict=True):
        for value in values:
            _encode_value(coder, table, value)
    return coder.finish()


def decode_latents(data: bytes, tables: FrequencyTables, count: int) -> Latents:
    """Invert `encode_latents`: return latents (D, N).

    Raises:
        ValueError: the bytes are not a valid code.
    """
    coder = RangeDecoder(data)
    rows = [[_decode_value(coder, table) for _ in range(count)] for table in tables.tables]
    coder.check_exhausted()
    return np.array(rows, dtype=np.int16).reshape(len(tables.tables), count)


def _encode_value(coder: RangeEncoder, table: FrequencyTable, value: int) -> None:
    index = value - table.lowest
    in_table = 0 <= index < table.escape_index
    symbol = index if in_table else table.escape_index
    coder.encode(table.cumulative[symbol], table.frequencies[symbol])
    if not in_table:
        _encode_distance(
            coder, 2 * (-1 - index) if index < 0 else 2 * (index - table.escape_index) + 1
        )


def _decode_value(coder: RangeDecoder, table: FrequencyTable) -> int:
    symbol = coder.decode(table.cumulative)
    if symbol < table.escape_index:
        return table.lowest + symbol
    magnitude, is_above = divmod(_decode_distance(coder), 2)
    value = table.highest + 1 + magnitude if is_above else table.lowest - 1 - magnitude
    if not _MIN_LATENT <= value <= _MAX_LATENT:
        raise ValueError(f"a latent of {value} does not fit 16 bits")
    return value


def _encode_distance(coder: RangeEncoder, distance: int) -> None:
    """Encode as Elias's gamma code (1975) with a plain length, then the bits after the first 1."""
    number = distance + 1
    length = number.bit_length() - 1
    coder.encode_bits(length, _LENGTH_BITS)
    for shift in range(length - 1, -1, -1):
        coder.encode_bits(number >> shift & 1, 1)


def _decode_distance(coder: RangeDecoder) -> int:
    number = 1
    for _ in range(coder.decode_bits(_LENGTH_BITS)):
        number = number << 1 | coder.decode_bits(1)
    return number - 1
