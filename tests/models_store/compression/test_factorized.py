from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models_store.compression.factorized import (
    FrequencyTable,
    FrequencyTables,
    decode_latents,
    encode_latents,
    read_tables,
)
from models_store.errors import ManifestError

NARROW = FrequencyTable(lowest=-2, frequencies=(1000, 20_000, 30_000, 14_000, 535, 1))
TABLES = FrequencyTables(tables=(NARROW, FrequencyTable(lowest=7, frequencies=(65_535, 1)), NARROW))

_latents = st.integers(-(2**15), 2**15 - 1) | st.integers(-4, 8)


@given(st.lists(st.tuples(_latents, _latents, _latents), max_size=12))
def test_every_latent_can_be_written(columns: list[tuple[int, int, int]]) -> None:
    latents = np.array(columns, dtype=np.int16).reshape(-1, 3).T
    code = encode_latents(latents, TABLES)
    decoded = decode_latents(code, TABLES, latents.shape[1])
    assert decoded.dtype == np.int16
    assert np.array_equal(decoded, latents)


def test_certain_symbol_costs_nothing() -> None:
    # By hand: 16 − log2(65535) is 2.2e-5 bits, so a thousand of them fit into one byte.
    certain = FrequencyTables(tables=(TABLES.tables[1],))
    assert len(encode_latents(np.full((1, 1000), 7, np.int16), certain)) <= 1


@pytest.mark.parametrize("value", [-(2**15), -3, 3, 4, 2**15 - 1])
def test_a_value_outside_of_the_table_costs_the_escape_and_its_distance(value: int) -> None:
    code = encode_latents(np.array([[value]], np.int16), FrequencyTables(tables=(NARROW,)))
    # 16 bits of escape, 5 of length, at most 17 of distance, and the last byte's rest
    assert len(code) <= (16 + 5 + 17 + 1) // 8 + 1


@given(st.binary(max_size=40), st.integers(1, 5))
def test_any_bytes_are_latents_or_a_value_error(data: bytes, places: int) -> None:
    with suppress(ValueError):
        assert decode_latents(data, TABLES, places).shape == (3, places)


def test_latents_of_another_model_are_rejected() -> None:
    with pytest.raises(ValueError, match="2 latent dimensions, 3 tables"):
        encode_latents(np.zeros((2, 1), np.int16), TABLES)


@pytest.mark.parametrize(
    ("lowest", "frequencies", "why"),
    [
        (0, (65_535,), "at least 2"),
        (0, (65_535, 2), "sum to 65537"),
        (0, (65_536, 0), "greater than 0"),
        (-40_000, (65_535, 1), "greater than or equal to -32768"),
        (32_767, (32_768, 32_767, 1), "extends to 32768"),
    ],
)
def test_a_table_that_cannot_be_coded_with_is_rejected(
    lowest: int, frequencies: tuple[int, ...], why: str
) -> None:
    with pytest.raises(ValidationError, match=why):
        FrequencyTable(lowest=lowest, frequencies=frequencies)


def test_tables_round_trip_through_bytes(tmp_path: Path) -> None:
    path = tmp_path / "tables.json"
    path.write_text(TABLES.model_dump_json())
    assert read_tables(path, FrequencyTables) == TABLES
    path.write_text(TABLES.model_dump_json().replace("20000", "20001"))
    with pytest.raises(ManifestError, match=r"tables\.json: .*sum to 65537"):
        read_tables(path, FrequencyTables)
