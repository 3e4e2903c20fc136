"""Latents of a photograph ↔ bytes, with graphs that predict the distribution of each latent.

Layout of a payload: 1 byte, the quality from 1 · varint, the length of the escapes · the escapes,
values outside the frequency tables as varints · one `rans` stream in decoding order: side
information, then the groups of channels, each phase by phase.

A latent is its predicted mean plus a whole number of steps, coded with the table of its predicted
level; below `ScaleTables.certain`, it is 0 and not coded. Neither this module nor the graphs decide
anything by floats, so that a payload decodes to the same latents on every machine.

Shapes: D latent channels of h × w positions; S channels of side information of a × b, a = ⌈h / 4⌉;
G channels of a group, n coded positions of a phase.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, model_validator

from models_store.base import FrozenModel
from models_store.compression.factorized import FrequencyTable
from models_store.compression.rans import RansDecoder, RansTables, rans_encode
from models_store.tasks import ChannelGroup, Hyperprior
from models_store.varint import decode_varint, encode_varint
from models_store.verify import GraphFn, TensorMap

MEAN_RESOLUTION = 16
"""Means and decoded latents are whole numbers of 1/16 of a step."""
LATENT_RESOLUTION = 32
"""Encoder outputs are in 1/32 of a step, so that rounding never depends on a float tie."""
_MAX_SIDE_VALUE = 127
_MAX_LATENT = 2**15 - 1
_TILE_SIZE = 128  # height and width, in positions, that one run of a group's graph decodes
_MAX_VARINT_BYTES = 4

_Ints = NDArray[np.int16]
_Bytes = NDArray[np.uint8]
_Means = NDArray[np.int32]
_Row = Annotated[tuple[int, ...], Field(min_length=1)]


class ScaleTables(FrozenModel):
    """A table for each level, from the narrowest to the widest, and levels of side information."""

    precision_bits: Literal[16] = 16
    tables: Annotated[tuple[FrequencyTable, ...], Field(min_length=1, max_length=256)]
    certain: NonNegativeInt = 0
    """Levels below it are not coded: the number of steps is 0."""
    deadzone: Annotated[int, Field(ge=0, lt=LATENT_RESOLUTION // 2)] = 0
    """How much nearer to the mean an encoder rounds, in 1/32 of a step, to save bytes."""
    side_levels: tuple[_Row, ...]
    """Level of each channel of the side information, for each quality."""
    side_means: tuple[_Row, ...]
    """Mean of each channel of the side information, for each quality."""

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        _ = self.rans_tables  # raises ValueError if a table has too many symbols
        widths = [len(row) for row in self.side_levels]
        if len(set(widths)) != 1 or widths != [len(row) for row in self.side_means]:
            raise ValueError("side_levels and side_means must have the same rows and columns")
        if not all(0 <= level < len(self.tables) for row in self.side_levels for level in row):
            raise ValueError(f"side_levels must name one of {len(self.tables)} tables")
        return self

    @cached_property
    def rans_tables(self) -> RansTables:
        return RansTables([table.frequencies for table in self.tables])

    @cached_property
    def lowest(self) -> NDArray[np.int32]:
        return np.array([table.lowest for table in self.tables], np.int32)

    @cached_property
    def escape_symbols(self) -> NDArray[np.int32]:
        return np.array([table.escape_index for table in self.tables], np.int32)


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

    @property
    def channels(self) -> int:
        """D."""
        return sum(group.channels for group in self.spec.groups)

    def encode(self, latents: _Ints, side: _Ints, quality: int) -> EncodedLatents:
        """Encode `latents` (D, h, w) in 1/32 of a step and `side` (S, a, b); quality from 0."""
        side = side.clip(-_MAX_SIDE_VALUE, _MAX_SIDE_VALUE)
        means, levels = self._side_parameters(quality, side.shape)
        writer = _PayloadWriter(self.tables)
        writer.add((side - means).ravel(), levels.ravel())
        decoded = np.zeros_like(latents)
        for stage in self._stages(side, quality, decoded):
            target = latents[stage.channels].reshape(-1)[stage.positions].astype(np.int32)
            offset = target - 2 * stage.means
            rounding = LATENT_RESOLUTION // 2 - self.tables.deadzone
            steps = np.sign(offset) * ((np.abs(offset) + rounding) // LATENT_RESOLUTION)
            steps[stage.levels < self.tables.certain] = 0
            # Decoded latents must fit 16 bits, which those of images do by far.
            values = (MEAN_RESOLUTION * steps + stage.means).clip(-_MAX_LATENT, _MAX_LATENT)
            steps = (values - stage.means) // MEAN_RESOLUTION
            writer.add_uncertain(steps, stage.levels)
            stage.group[stage.positions] = MEAN_RESOLUTION * steps + stage.means
        return EncodedLatents(bytes([quality + 1]) + writer.finish(), decoded)

    def decode(self, payload: bytes, height: int, width: int) -> tuple[_Ints, int]:
        """Return latents (D, h, w) in 1/16 of a step, and the quality from 0.

        Raises:
            ValueError: the payload is not a valid code of h × w positions.
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
        decoded = np.zeros((self.channels, height, width), np.int16)
        for stage in self._stages(side.astype(np.int16), quality, decoded):
            values = MEAN_RESOLUTION * reader.read_uncertain(stage.levels) + stage.means
            if values.size and np.abs(values).max() > _MAX_LATENT:
                raise ValueError("a latent does not fit 16 bits")
            stage.group[stage.positions] = values
        reader.check_exhausted()
        return decoded, quality

    def _side_parameters(self, quality: int, shape: tuple[int, ...]) -> tuple[_Means, _Bytes]:
        """Return means (S, 1, 1) and levels (S, a, b)."""
        means = np.array(self.tables.side_means[quality], np.int32)
        levels = np.array(self.tables.side_levels[quality], np.uint8)
        return means[:, None, None], np.broadcast_to(levels[:, None, None], shape)

    def _stages(self, side: _Ints, quality: int, decoded: _Ints) -> Iterator["_Stage"]:
        """Yield predictions stage by stage; each stage reads what earlier ones decoded."""
        inputs: TensorMap = {"side": side[np.newaxis], "quality": np.array([quality], np.int64)}
        features = self.graphs["features"](inputs)["features"]
        start = 0
        for role, group in zip(self.spec.group_roles, self.spec.groups, strict=True):
            channels = slice(start, start + group.channels)
            start += group.channels
            for phase, positions in enumerate(_phase_positions(group, *decoded.shape[1:])):
                row = quality * len(group.phases) + phase
                means, levels = self._predict(role, features, decoded, channels, row)
                yield _Stage(
                    decoded[channels].reshape(-1),
                    channels,
                    positions,
                    means.reshape(-1)[positions].astype(np.int32),
                    levels.reshape(-1)[positions],
                )

    def _predict(
        self, role: str, features: NDArray[np.generic], decoded: _Ints, channels: slice, row: int
    ) -> tuple[_Ints, _Bytes]:
        """Return means and levels (G, h, w), computed in tiles to bound the memory of a run."""
        means = np.empty(decoded[channels].shape, np.int16)
        levels = np.empty(means.shape, np.uint8)
        height, width = decoded.shape[1:]
        for y, x in product(_tiles(height), _tiles(width)):
            window = (slice(None), slice(None), y.window, x.window)
            inputs = {
                "features": np.ascontiguousarray(features[window]),
                "group": np.ascontiguousarray(decoded[np.newaxis, channels][window]),
                "row": np.array([row], np.int64),
            }
            if channels.start:
                previous = decoded[np.newaxis, : channels.start]
                inputs["before"] = np.ascontiguousarray(previous[window])
            outputs = self.graphs[role](inputs)
            core = (0, slice(None), y.core_in_window(), x.core_in_window())
            means[:, y.core, x.core] = outputs["means"][core]
            levels[:, y.core, x.core] = outputs["levels"][core]
        return means, levels


@dataclass(frozen=True)
class Tile:
    """One tile along an axis: the window that a graph reads, and the core of its output."""

    window: slice
    core: slice

    def core_in_window(self, step: int = 1) -> slice:
        """Return the slice of a graph's output, with one position per `step` inputs."""
        start = (self.core.start - self.window.start) // step
        return slice(start, start + -(-(self.core.stop - self.core.start) // step))


def _tiles(length: int) -> Iterator[Tile]:
    """Yield tiles with one position around the core, as far as the graphs reach."""
    for start in range(0, length, _TILE_SIZE):
        stop = min(start + _TILE_SIZE, length)
        yield Tile(slice(max(start - 1, 0), min(stop + 1, length)), slice(start, stop))


@dataclass(frozen=True)
class _Stage:
    """One phase of one group: flat positions (n,) in (G, h, w), and predictions for them."""

    group: _Ints
    """A flat view into the decoded latents, which later stages read."""
    channels: slice
    positions: NDArray[np.intp]
    means: _Means
    levels: _Bytes


def _phase_positions(group: ChannelGroup, height: int, width: int) -> Iterator[NDArray[np.intp]]:
    """Yield the flat indices into (G, h, w) that each phase decodes."""
    corner = 2 * (np.arange(height)[:, None] % 2) + np.arange(width)[None, :] % 2
    for phase in group.phases:
        (plane,) = np.nonzero(np.isin(corner, phase).ravel())
        yield (np.arange(group.channels)[:, None] * (height * width) + plane).ravel()


class _PayloadWriter:
    def __init__(self, tables: ScaleTables) -> None:
        self.tables = tables
        self._stages: list[tuple[_Bytes, _Bytes]] = []
        self._escapes = bytearray()

    def add(self, steps: NDArray[np.int32], levels: _Bytes) -> None:
        index, escape = steps - self.tables.lowest[levels], self.tables.escape_symbols[levels]
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


class _PayloadReader:
    def __init__(self, data: bytes, tables: ScaleTables) -> None:
        self.tables = tables
        self._data, self._position = data, 0
        length = self._read_varint(len(data))
        self._escapes_end = self._position + length
        if self._escapes_end > len(data):
            raise ValueError("its escapes are truncated")
        self._decoder = RansDecoder(data[self._escapes_end :], tables.rans_tables)

    def read(self, levels: _Bytes) -> NDArray[np.int32]:
        symbols = self._decoder.decode(np.ascontiguousarray(levels)).astype(np.int32)
        steps = symbols + self.tables.lowest[levels]
        for index in np.nonzero(symbols == self.tables.escape_symbols[levels])[0].tolist():
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
            raise ValueError("bytes are left over after its escapes")
        self._decoder.check_exhausted()

    def _read_varint(self, end: int) -> int:
        escapes = memoryview(self._data)[:end]
        value, self._position = decode_varint(escapes, self._position, _MAX_VARINT_BYTES)
        return value
