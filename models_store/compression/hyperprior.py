"""Latents of a photograph ↔ bytes, with graphs that tell what to expect of each.

A payload is 1 byte, the quality from 1; a varint, the length of what does not fit the tables;
that; and one `rans` code of everything else, in the order in which it is decoded: side
information, then the groups of channels, each phase by phase. A latent is its expected mean plus
a whole number of steps, and that number is coded by the table of its expected level. Where the
level says that it is 0 anyhow (`LevelTables.certain`), nothing is written.

No float decides anything here, nor in the graphs (`tasks.Hyperprior`): a payload made anywhere
reads as the same latents everywhere.

Shapes: D latent channels of h × w places, S channels of side information of a × b, a = ⌈h / 4⌉;
of a group G channels, of a phase n places that are coded.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, ValidationError, model_validator

from models_store.base import Frozen
from models_store.compression.container import varint
from models_store.compression.factorized import Table
from models_store.compression.rans import MAX_SYMBOLS, RansDecoder, Symbols, rans_encode
from models_store.errors import ManifestError
from models_store.tasks import Group, Hyperprior
from models_store.verify import Run

__all__ = ["FINE", "LATENT_UNIT", "Coded", "Coder", "LevelTables", "read_level_tables"]

FINE = 16
"""Means and decoded latents are whole numbers of 1/16 of a step."""
LATENT_UNIT = 32
"""Of what the encoder gives, 1/32 of a step: no tie is left for a float to decide."""
_SIDE_MOST = 127
_MOST = 2**15 - 1
_TILE = 128
"""Places that one run of a group's graph decodes, one way."""

_Ints = NDArray[np.int16]
_Bytes = NDArray[np.uint8]
_Row = Annotated[tuple[int, ...], Field(min_length=1)]


class LevelTables(Frozen):
    """A table for each level, from the narrowest to the widest, and what side information needs."""

    precision_bits: Literal[16] = 16
    tables: Annotated[tuple[Table, ...], Field(min_length=1, max_length=256)]
    certain: NonNegativeInt = 0
    """Levels below it are not coded: the number of steps is 0."""
    deadzone: Annotated[int, Field(ge=0, lt=LATENT_UNIT // 2)] = 0
    """By how many 1/32 of a step an encoder rounds towards the mean, to save bytes."""
    side_levels: tuple[_Row, ...]
    """Of each quality, the level of each channel of the side information …"""
    side_means: tuple[_Row, ...]
    """… and its mean."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        most = max(len(table.frequencies) for table in self.tables)
        if most > MAX_SYMBOLS:
            raise ValueError(f"a table has {most} frequencies; at most {MAX_SYMBOLS} are possible")
        if len({len(row) for row in (*self.side_levels, *self.side_means)}) != 1:
            raise ValueError("side_levels and side_means must have one length for all qualities")
        if len(self.side_levels) != len(self.side_means):
            raise ValueError("side_levels and side_means must have a row for each quality")
        if not all(0 <= level < len(self.tables) for row in self.side_levels for level in row):
            raise ValueError(f"side_levels must name one of {len(self.tables)} tables")
        return self

    @cached_property
    def symbols(self) -> Symbols:
        return Symbols([table.frequencies for table in self.tables])


def read_level_tables(path: Path) -> LevelTables:
    """The tables of a published model.

    Raises:
        ManifestError: when they do not validate.
    """
    try:
        return LevelTables.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ManifestError(f"{path.name}: {error.errors()[0]['msg']}") from error


@dataclass(frozen=True)
class Coded:
    """A payload, and the latents (D, h, w) that a decoder reads in it, in sixteenths."""

    payload: bytes
    latents: _Ints


@dataclass(frozen=True)
class Coder:
    """The graphs and tables of one model; `encode` and `decode` may run in many threads."""

    spec: Hyperprior
    tables: LevelTables
    runs: Mapping[str, Run]
    """By role: `spec.exact_roles`."""

    def encode(self, latents: _Ints, side: _Ints, quality: int) -> Coded:
        """Bytes for `latents` (D, h, w) in 1/32 of a step and `side` (S, a, b); quality from 0."""
        side = side.clip(-_SIDE_MOST, _SIDE_MOST)
        means, levels = self._side_expected(quality, side.shape)
        writer = _Writer(self.tables)
        writer.add((side - means).ravel(), levels.ravel())
        fine = np.zeros_like(latents)
        for stage in self._stages(side, quality, fine):
            wanted = latents[stage.channels].reshape(-1)[stage.places].astype(np.int32)
            steps = _rounded(wanted - stage.means.astype(np.int32) * 2, self.tables.deadzone)
            steps[stage.levels < self.tables.certain] = 0
            # Decoded latents fit 16 bits. No picture's come near that.
            whole = (FINE * steps + stage.means).clip(-_MOST, _MOST).astype(np.int32)
            steps = (whole - stage.means.astype(np.int32)) // FINE
            writer.add_coded(steps, stage.levels)
            stage.store(FINE * steps + stage.means)
        return Coded(bytes([quality + 1]) + writer.finish(), fine)

    def decode(self, payload: bytes, height: int, width: int) -> tuple[_Ints, int]:
        """The latents (D, h, w) in sixteenths of a payload with h × w places; quality from 0.

        Raises:
            ValueError: these bytes are no such code.
        """
        quality = payload[0] - 1 if payload else -1
        if not 0 <= quality < self.spec.qualities:
            raise ValueError(f"it names the quality {quality + 1} of {self.spec.qualities}")
        reader = _Reader(payload[1:], self.tables)
        shape = (len(self.tables.side_means[0]), -(-height // 4), -(-width // 4))
        means, levels = self._side_expected(quality, shape)
        side = reader.take(levels.ravel()).reshape(shape) + means
        if np.abs(side).max() > _SIDE_MOST:
            raise ValueError("its side information is out of bounds")
        channels = sum(group.channels for group in self.spec.groups)
        fine = np.zeros((channels, height, width), np.int16)
        for stage in self._stages(side.astype(np.int16), quality, fine):
            steps = reader.take_coded(stage.levels)
            whole = FINE * steps + stage.means
            if whole.size and np.abs(whole).max() > _MOST:
                raise ValueError("a latent does not fit 16 bits")
            stage.store(whole)
        reader.finish()
        return fine, quality

    def _side_expected(
        self, quality: int, shape: tuple[int, ...]
    ) -> tuple[NDArray[np.int32], _Bytes]:
        means = np.array(self.tables.side_means[quality], np.int32)
        levels = np.array(self.tables.side_levels[quality], np.uint8)
        return (
            np.broadcast_to(means[:, None, None], shape),
            np.broadcast_to(levels[:, None, None], shape),
        )

    def _stages(self, side: _Ints, quality: int, fine: _Ints) -> Iterator["_Stage"]:
        """What is expected, stage by stage; each needs `fine` filled in by those before it."""
        qualities = np.array([quality], np.int64)
        height, width = fine.shape[1:]
        run = self.runs["features"]
        features = run({"side": side[np.newaxis], "quality": qualities})["features"]
        start = 0
        for role, group in zip(self.spec.group_roles, self.spec.groups, strict=True):
            channels = slice(start, start + group.channels)
            start += group.channels
            for phase, places in enumerate(_places(group, height, width)):
                expected = self._expected(
                    role, features, fine, channels, quality * len(group.phases) + phase
                )
                means, levels = expected
                yield _Stage(
                    fine[channels],
                    channels,
                    places,
                    means.reshape(-1)[places],
                    levels.reshape(-1)[places],
                )

    def _expected(
        self, role: str, features: NDArray[np.generic], fine: _Ints, channels: slice, row: int
    ) -> tuple[_Ints, _Bytes]:
        """Means and levels (G, h, w), tile by tile: a run's memory does not grow with a picture."""
        count = channels.stop - channels.start
        height, width = fine.shape[1:]
        means = np.empty((count, height, width), np.int16)
        levels = np.empty((count, height, width), np.uint8)
        for top in range(0, height, _TILE):
            for left in range(0, width, _TILE):
                # One place around, as far as the graphs reach; at the edge there are zeros.
                y, x = max(top - 1, 0), max(left - 1, 0)
                rows = slice(y, min(top + _TILE + 1, height))
                columns = slice(x, min(left + _TILE + 1, width))
                inputs = {
                    "features": np.ascontiguousarray(features[:, :, rows, columns]),
                    "group": np.ascontiguousarray(fine[np.newaxis, channels, rows, columns]),
                    "row": np.array([row], np.int64),
                }
                if channels.start:
                    before = fine[np.newaxis, : channels.start, rows, columns]
                    inputs["before"] = np.ascontiguousarray(before)
                out = self.runs[role](inputs)
                kept = (slice(top, top + _TILE), slice(left, left + _TILE))
                inner = (0, slice(None), slice(top - y, top - y + _TILE))
                for array, name in ((means, "means"), (levels, "levels")):
                    tile = out[name][inner][:, :, left - x : left - x + _TILE]
                    array[:, kept[0], kept[1]] = tile
        return means, levels


@dataclass(frozen=True)
class _Stage:
    """One phase of one group: places (n,) in (G, h, w), flat, and what is expected there."""

    group: _Ints
    """A view into the latents: what is stored there, later stages see."""
    channels: slice
    places: NDArray[np.intp]
    means: _Ints
    levels: _Bytes

    def store(self, values: NDArray[np.int32]) -> None:
        self.group.reshape(-1)[self.places] = values


def _places(group: Group, height: int, width: int) -> Iterator[NDArray[np.intp]]:
    """Flat indices into (G, h, w) of what each phase decodes."""
    corner = 2 * (np.arange(height)[:, None] % 2) + np.arange(width)[None, :] % 2
    for phase in group.phases:
        (plane,) = np.nonzero(np.isin(corner, phase).ravel())
        yield (np.arange(group.channels)[:, None] * (height * width) + plane).ravel()


def _rounded(offset: NDArray[np.int32], deadzone: int) -> NDArray[np.int32]:
    """Whole steps nearest to `offset` in 1/32, or `deadzone` nearer to 0."""
    steps = (np.abs(offset) + (LATENT_UNIT // 2 - deadzone)) // LATENT_UNIT
    signed: NDArray[np.int32] = np.where(offset < 0, -steps, steps)
    return signed


class _Scheme:
    """How a number of steps is a symbol of its level's table."""

    def __init__(self, tables: LevelTables) -> None:
        self.tables = tables
        self.lowest = np.array([table.lowest for table in tables.tables], np.int32)
        self.escape = np.array([table.escape for table in tables.tables], np.int32)


class _Writer(_Scheme):
    def __init__(self, tables: LevelTables) -> None:
        super().__init__(tables)
        self._stages: list[tuple[_Bytes, _Bytes]] = []
        self._escaped = bytearray()

    def add(self, steps: NDArray[np.int32], levels: _Bytes) -> None:
        index, escape = steps - self.lowest[levels], self.escape[levels]
        outside = (index < 0) | (index >= escape)
        for value in steps[outside].tolist():
            self._escaped += varint(2 * value if value >= 0 else -2 * value - 1)
        symbols = np.where(outside, escape, index).astype(np.uint8)
        self._stages.append((symbols, np.ascontiguousarray(levels)))

    def add_coded(self, steps: NDArray[np.int32], levels: _Bytes) -> None:
        (coded,) = np.nonzero(levels >= self.tables.certain)
        self.add(steps[coded], levels[coded])

    def finish(self) -> bytes:
        code = rans_encode(self._stages, self.tables.symbols)
        return varint(len(self._escaped)) + bytes(self._escaped) + code


class _Reader(_Scheme):
    def __init__(self, data: bytes, tables: LevelTables) -> None:
        super().__init__(tables)
        self._data, self._at = data, 0
        length = self._varint(len(data))
        self._end = self._at + length
        if self._end > len(data):
            raise ValueError("what does not fit its tables is cut off")
        self._decoder = RansDecoder(data[self._end :], tables.symbols)

    def take(self, levels: _Bytes) -> NDArray[np.int32]:
        symbols = self._decoder.decode(np.ascontiguousarray(levels)).astype(np.int32)
        steps = symbols + self.lowest[levels]
        for place in np.nonzero(symbols == self.escape[levels])[0].tolist():
            number = self._varint(self._end)
            steps[place] = -(number + 1) // 2 if number % 2 else number // 2
        return steps

    def take_coded(self, levels: _Bytes) -> NDArray[np.int32]:
        steps = np.zeros(len(levels), np.int32)
        (coded,) = np.nonzero(levels >= self.tables.certain)
        steps[coded] = self.take(levels[coded])
        return steps

    def finish(self) -> None:
        if self._at != self._end:
            raise ValueError("something is left of what does not fit its tables")
        self._decoder.finish()

    def _varint(self, end: int) -> int:
        value = shift = 0
        while True:
            if self._at >= end or shift > 21:
                raise ValueError("a number in it has no end")
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value
