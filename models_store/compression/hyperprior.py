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

from models_store.base import FrozenModel
from models_store.compression.factorized import FrequencyTable
from models_store.compression.rans import MAX_SYMBOLS, RansDecoder, RansTables, rans_encode
from models_store.errors import ManifestError
from models_store.tasks import ChannelGroup, Hyperprior
from models_store.varint import decode_varint, encode_varint
from models_store.verify import GraphFn

__all__ = [
    "LATENT_RESOLUTION",
    "MEAN_RESOLUTION",
    "EncodedLatents",
    "HyperpriorCoder",
    "ScaleTables",
    "read_scale_tables",
]

MEAN_RESOLUTION = 16
"""Means and decoded latents are whole numbers of 1/16 of a step."""
LATENT_RESOLUTION = 32
"""Encoder outputs are in 1/32 of a step, so that rounding never depends on a float tie."""
_MAX_SIDE_VALUE = 127
_MAX_LATENT = 2**15 - 1
_TILE_SIZE = 128
"""Places that one run of a group's graph decodes, one way."""
_MAX_VARINT_BYTES = 4

_Ints = NDArray[np.int16]
_Bytes = NDArray[np.uint8]
_Row = Annotated[tuple[int, ...], Field(min_length=1)]


class ScaleTables(FrozenModel):
    """A table for each level, from the narrowest to the widest, and what side information needs."""

    precision_bits: Literal[16] = 16
    tables: Annotated[tuple[FrequencyTable, ...], Field(min_length=1, max_length=256)]
    certain: NonNegativeInt = 0
    """Levels below it are not coded: the number of steps is 0."""
    deadzone: Annotated[int, Field(ge=0, lt=LATENT_RESOLUTION // 2)] = 0
    """By how many 1/32 of a step an encoder rounds towards the mean, to save bytes."""
    side_levels: tuple[_Row, ...]
    """Per quality, the scale level of each channel of the side information …"""
    side_means: tuple[_Row, ...]
    """… and its mean."""

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        max_symbols = max(len(table.frequencies) for table in self.tables)
        if max_symbols > MAX_SYMBOLS:
            raise ValueError(
                f"a table has {max_symbols} frequencies; at most {MAX_SYMBOLS} are possible"
            )
        if len({len(row) for row in (*self.side_levels, *self.side_means)}) != 1:
            raise ValueError("side_levels and side_means must have one length for all qualities")
        if len(self.side_levels) != len(self.side_means):
            raise ValueError("side_levels and side_means must have a row for each quality")
        if not all(0 <= level < len(self.tables) for row in self.side_levels for level in row):
            raise ValueError(f"side_levels must name one of {len(self.tables)} tables")
        return self

    @cached_property
    def rans_tables(self) -> RansTables:
        return RansTables([table.frequencies for table in self.tables])


def read_scale_tables(path: Path) -> ScaleTables:
    """The tables of a published model.

    Raises:
        ManifestError: when they do not validate.
    """
    try:
        return ScaleTables.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ManifestError(f"{path.name}: {error.errors()[0]['msg']}") from error


@dataclass(frozen=True)
class EncodedLatents:
    """A payload, and the latents (D, h, w) that a decoder reads in it, in sixteenths."""

    payload: bytes
    latents: _Ints


@dataclass(frozen=True)
class HyperpriorCoder:
    """The graphs and tables of one model; `encode` and `decode` may run in many threads."""

    spec: Hyperprior
    tables: ScaleTables
    graphs: Mapping[str, GraphFn]
    """By role: `spec.exact_roles`."""

    def encode(self, latents: _Ints, side: _Ints, quality: int) -> EncodedLatents:
        """Bytes for `latents` (D, h, w) in 1/32 of a step and `side` (S, a, b); quality from 0."""
        side = side.clip(-_MAX_SIDE_VALUE, _MAX_SIDE_VALUE)
        means, levels = self._side_parameters(quality, side.shape)
        writer = _PayloadWriter(self.tables)
        writer.add((side - means).ravel(), levels.ravel())
        decoded = np.zeros_like(latents)
        for stage in self._stages(side, quality, decoded):
            target = latents[stage.channels].reshape(-1)[stage.positions].astype(np.int32)
            steps = _round_with_deadzone(
                target - stage.means.astype(np.int32) * 2, self.tables.deadzone
            )
            steps[stage.levels < self.tables.certain] = 0
            # Decoded latents fit 16 bits. No image's come near that.
            values = (
                (MEAN_RESOLUTION * steps + stage.means)
                .clip(-_MAX_LATENT, _MAX_LATENT)
                .astype(np.int32)
            )
            steps = (values - stage.means.astype(np.int32)) // MEAN_RESOLUTION
            writer.add_uncertain(steps, stage.levels)
            stage.store(MEAN_RESOLUTION * steps + stage.means)
        return EncodedLatents(bytes([quality + 1]) + writer.finish(), decoded)

    def decode(self, payload: bytes, height: int, width: int) -> tuple[_Ints, int]:
        """The latents (D, h, w) in sixteenths of a payload with h × w places; quality from 0.

        Raises:
            ValueError: these bytes are no such code.
        """
        quality = payload[0] - 1 if payload else -1
        if not 0 <= quality < self.spec.qualities:
            raise ValueError(f"it names the quality {quality + 1} of {self.spec.qualities}")
        reader = _PayloadReader(payload[1:], self.tables)
        shape = (len(self.tables.side_means[0]), -(-height // 4), -(-width // 4))
        means, levels = self._side_parameters(quality, shape)
        side = reader.read(levels.ravel()).reshape(shape) + means
        if np.abs(side).max() > _MAX_SIDE_VALUE:
            raise ValueError("its side information is out of bounds")
        channels = sum(group.channels for group in self.spec.groups)
        decoded = np.zeros((channels, height, width), np.int16)
        for stage in self._stages(side.astype(np.int16), quality, decoded):
            steps = reader.read_uncertain(stage.levels)
            values = MEAN_RESOLUTION * steps + stage.means
            if values.size and np.abs(values).max() > _MAX_LATENT:
                raise ValueError("a latent does not fit 16 bits")
            stage.store(values)
        reader.check_exhausted()
        return decoded, quality

    def _side_parameters(
        self, quality: int, shape: tuple[int, ...]
    ) -> tuple[NDArray[np.int32], _Bytes]:
        means = np.array(self.tables.side_means[quality], np.int32)
        levels = np.array(self.tables.side_levels[quality], np.uint8)
        return (
            np.broadcast_to(means[:, None, None], shape),
            np.broadcast_to(levels[:, None, None], shape),
        )

    def _stages(self, side: _Ints, quality: int, decoded: _Ints) -> Iterator["_Stage"]:
        """Yield predictions stage by stage; each stage reads what earlier ones decoded."""
        qualities = np.array([quality], np.int64)
        height, width = decoded.shape[1:]
        run = self.graphs["features"]
        features = run({"side": side[np.newaxis], "quality": qualities})["features"]
        start = 0
        for role, group in zip(self.spec.group_roles, self.spec.groups, strict=True):
            channels = slice(start, start + group.channels)
            start += group.channels
            for phase, positions in enumerate(_phase_positions(group, height, width)):
                parameters = self._entropy_parameters(
                    role, features, decoded, channels, quality * len(group.phases) + phase
                )
                means, levels = parameters
                yield _Stage(
                    decoded[channels],
                    channels,
                    positions,
                    means.reshape(-1)[positions],
                    levels.reshape(-1)[positions],
                )

    def _entropy_parameters(
        self, role: str, features: NDArray[np.generic], decoded: _Ints, channels: slice, row: int
    ) -> tuple[_Ints, _Bytes]:
        """Means and levels (G, h, w), tile by tile: a run's memory does not grow with an image."""
        count = channels.stop - channels.start
        height, width = decoded.shape[1:]
        means = np.empty((count, height, width), np.int16)
        levels = np.empty((count, height, width), np.uint8)
        for top in range(0, height, _TILE_SIZE):
            for left in range(0, width, _TILE_SIZE):
                # One place around, as far as the graphs reach; at the edge there are zeros.
                y, x = max(top - 1, 0), max(left - 1, 0)
                rows = slice(y, min(top + _TILE_SIZE + 1, height))
                columns = slice(x, min(left + _TILE_SIZE + 1, width))
                inputs = {
                    "features": np.ascontiguousarray(features[:, :, rows, columns]),
                    "group": np.ascontiguousarray(decoded[np.newaxis, channels, rows, columns]),
                    "row": np.array([row], np.int64),
                }
                if channels.start:
                    previous = decoded[np.newaxis, : channels.start, rows, columns]
                    inputs["before"] = np.ascontiguousarray(previous)
                outputs = self.graphs[role](inputs)
                core = (slice(top, top + _TILE_SIZE), slice(left, left + _TILE_SIZE))
                inner = (0, slice(None), slice(top - y, top - y + _TILE_SIZE))
                for array, name in ((means, "means"), (levels, "levels")):
                    tile = outputs[name][inner][:, :, left - x : left - x + _TILE_SIZE]
                    array[:, core[0], core[1]] = tile
        return means, levels


@dataclass(frozen=True)
class _Stage:
    """One phase of one group: places (n,) in (G, h, w), flat, and what is expected there."""

    group: _Ints
    """A view into the latents: what is stored there, later stages see."""
    channels: slice
    positions: NDArray[np.intp]
    means: _Ints
    levels: _Bytes

    def store(self, values: NDArray[np.int32]) -> None:
        self.group.reshape(-1)[self.positions] = values


def _phase_positions(group: ChannelGroup, height: int, width: int) -> Iterator[NDArray[np.intp]]:
    """Flat indices into (G, h, w) of what each phase decodes."""
    corner = 2 * (np.arange(height)[:, None] % 2) + np.arange(width)[None, :] % 2
    for phase in group.phases:
        (plane,) = np.nonzero(np.isin(corner, phase).ravel())
        yield (np.arange(group.channels)[:, None] * (height * width) + plane).ravel()


def _round_with_deadzone(offset: NDArray[np.int32], deadzone: int) -> NDArray[np.int32]:
    """Whole steps nearest to `offset` in 1/32, or `deadzone` nearer to 0."""
    steps = (np.abs(offset) + (LATENT_RESOLUTION // 2 - deadzone)) // LATENT_RESOLUTION
    signed: NDArray[np.int32] = np.where(offset < 0, -steps, steps)
    return signed


class _SymbolMapping:
    """Mapping from a number of steps to a symbol of its level's table."""

    def __init__(self, tables: ScaleTables) -> None:
        self.tables = tables
        self.lowest = np.array([table.lowest for table in tables.tables], np.int32)
        self.escape = np.array([table.escape_index for table in tables.tables], np.int32)


class _PayloadWriter(_SymbolMapping):
    def __init__(self, tables: ScaleTables) -> None:
        super().__init__(tables)
        self._stages: list[tuple[_Bytes, _Bytes]] = []
        self._escapes = bytearray()

    def add(self, steps: NDArray[np.int32], levels: _Bytes) -> None:
        index, escape = steps - self.lowest[levels], self.escape[levels]
        escaped = (index < 0) | (index >= escape)
        for value in steps[escaped].tolist():
            self._escapes += encode_varint(2 * value if value >= 0 else -2 * value - 1)
        symbols = np.where(escaped, escape, index).astype(np.uint8)
        self._stages.append((symbols, np.ascontiguousarray(levels)))

    def add_uncertain(self, steps: NDArray[np.int32], levels: _Bytes) -> None:
        (uncertain,) = np.nonzero(levels >= self.tables.certain)
        self.add(steps[uncertain], levels[uncertain])

    def finish(self) -> bytes:
        code = rans_encode(self._stages, self.tables.rans_tables)
        return encode_varint(len(self._escapes)) + bytes(self._escapes) + code


class _PayloadReader(_SymbolMapping):
    def __init__(self, data: bytes, tables: ScaleTables) -> None:
        super().__init__(tables)
        self._data, self._position = data, 0
        length = self._read_varint(len(data))
        self._escapes_end = self._position + length
        if self._escapes_end > len(data):
            raise ValueError("what does not fit its tables is cut off")
        self._decoder = RansDecoder(data[self._escapes_end :], tables.rans_tables)

    def read(self, levels: _Bytes) -> NDArray[np.int32]:
        symbols = self._decoder.decode(np.ascontiguousarray(levels)).astype(np.int32)
        steps = symbols + self.lowest[levels]
        for index in np.nonzero(symbols == self.escape[levels])[0].tolist():
            number = self._read_varint(self._escapes_end)
            steps[index] = -(number + 1) // 2 if number % 2 else number // 2
        return steps

    def read_uncertain(self, levels: _Bytes) -> NDArray[np.int32]:
        steps = np.zeros(len(levels), np.int32)
        (uncertain,) = np.nonzero(levels >= self.tables.certain)
        steps[uncertain] = self.read(levels[uncertain])
        return steps

    def check_exhausted(self) -> None:
        if self._position != self._escapes_end:
            raise ValueError("something is left of what does not fit its tables")
        self._decoder.check_exhausted()

    def _read_varint(self, end: int) -> int:
        escapes = memoryview(self._data)[:end]
        value, self._position = decode_varint(escapes, self._position, _MAX_VARINT_BYTES)
        return value
