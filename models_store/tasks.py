"""What a model does, and what a service must know to ask it: one class per task.

Adding a task: its class here, its line in `Task`, and a handler in the service.

Shapes: B batch, H height, W width, C channels (1 for mode L, 3 for RGB), K classes, D latent
dimensions; of text, T time and V characters of the vocabulary; of a generator, Z
numbers of a latent.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from models_store.base import FrozenModel

__all__ = [
    "AnySizeImage",
    "ChannelGroup",
    "Classification",
    "ColorMode",
    "Compression",
    "Denoising",
    "FaceGeneration",
    "FactorizedEntropy",
    "FixedImage",
    "HandwritingGeneration",
    "Hyperprior",
    "RecurrentState",
    "Task",
    "TextGeneration",
]

ColorMode = Literal["L", "RGB"]


class FixedImage(FrozenModel):
    """Pictures brought to one size before the graph sees them, as uint8 (B, H, W, C)."""

    width: PositiveInt
    height: PositiveInt
    mode: ColorMode
    resize: Literal["stretch", "crop", "pad"]
    """`stretch` ignores proportions; `crop` fills and cuts the centre; `pad` fits, black around."""


class AnySizeImage(FrozenModel):
    """Pictures of any size, as uint8 (B, H, W, C), in tiles when they are large."""

    mode: ColorMode
    multiple_of: PositiveInt
    """Height and width that the graph sees must be multiples of this; edges are mirrored to it."""
    tile: PositiveInt
    """Side of the largest square that one run may see."""
    overlap: PositiveInt
    """Pixels by which tiles overlap; at least twice the reach of a pixel through the network."""

    @model_validator(mode="after")
    def _tiles_fit(self) -> Self:
        if self.tile % self.multiple_of or self.overlap % self.multiple_of:
            raise ValueError(f"tile and overlap must be multiples of {self.multiple_of}")
        if self.overlap >= self.tile:
            raise ValueError(f"overlap {self.overlap} must be smaller than tile {self.tile}")
        return self


class Classification(FrozenModel):
    """Graph `model`: `images` uint8 (B, H, W, C) → `probabilities` float32 (B, K).

    An ensemble of M members also gives `members` float32 (B, M, K).
    """

    kind: Literal["classification"] = "classification"
    roles: ClassVar[tuple[str, ...]] = ("model",)
    image: FixedImage
    labels: Annotated[tuple[str, ...], Field(min_length=2)]


class Denoising(FrozenModel):
    """Graph `model`: `images` uint8 (B, H, W, C) → `denoised` uint8, same shape."""

    kind: Literal["denoising"] = "denoising"
    roles: ClassVar[tuple[str, ...]] = ("model",)
    image: AnySizeImage
    noise: str
    """The noise that it was trained to remove, in words."""


class FactorizedEntropy(FrozenModel):
    """Independent latents: one frequency table for each (`models_store.compression.factorized`)."""

    kind: Literal["factorised"] = "factorised"


Phase = Annotated[tuple[Annotated[int, Field(ge=0, le=3)], ...], Field(min_length=1)]


class ChannelGroup(FrozenModel):
    """Some of the latent channels, decoded together, in one phase after the other."""

    channels: PositiveInt
    phases: Annotated[tuple[Phase, ...], Field(min_length=1, max_length=4)]
    """The places that each phase decodes, as corners of every 2 × 2 square: 0 1 above 2 3."""

    @model_validator(mode="after")
    def _every_corner_once(self) -> Self:
        if sorted(corner for phase in self.phases for corner in phase) != [0, 1, 2, 3]:
            raise ValueError(f"phases {self.phases} must name each of the corners 0 to 3 once")
        return self


class Hyperprior(FrozenModel):
    """Graphs tell, from side information and what is decoded already, what to expect of a latent.

    Graph `features`: `side` int16 (B, S, a, b), `quality` int64 (B) → `features` uint8
    (B, F, 4a, 4b). A graph for each group, `low`, `middle` and `high` in this order: `features`
    (B, F, h, w), `before` int16 (B, D', h, w), what is decoded of the groups before it (the first
    has none), `group` int16 (B, G, h, w), what is decoded of itself and 0 elsewhere, `row` int64
    (B), quality × phases + phase → `means` int16 (B, G, h, w) in sixteenths of a step, `levels`
    uint8 (B, G, h, w), indices of tables. Decoded latents are in sixteenths of a step too.

    These graphs compute with whole numbers alone (held as float32, below 2^24), so that they give
    the same on every machine: their golden outputs must be met exactly.
    `models_store.compression.hyperprior` turns latents into bytes with them.
    """

    kind: Literal["hyperprior"] = "hyperprior"
    qualities: Annotated[int, Field(ge=1, le=255)]
    groups: Annotated[tuple[ChannelGroup, ...], Field(min_length=1, max_length=3)]

    @property
    def group_roles(self) -> tuple[str, ...]:
        return ("low", "middle", "high")[: len(self.groups)]

    @property
    def exact_roles(self) -> tuple[str, ...]:
        """Graphs whose outputs no machine may compute otherwise."""
        return ("features", *self.group_roles)


class Compression(FrozenModel):
    """Two graphs and the tables by which what passes between them is coded.

    Graph `encoder`: `images` uint8 (B, H, W, C) → `latents` int16 (B, D, h, w), already rounded.
    Graph `decoder`: `latents` int16 (B, D, h, w) → `images` uint8 (B, H, W, C). File `tables`: how
    often each latent takes each value, `entropy.Tables`.

    No float decides what a code means: frequencies are whole numbers, and so are latents. A code
    made anywhere reads as the same latents everywhere.

    A codec for pictures of any size has a `FreeImage`, a `Hyperprior` and graphs of its own kind:
    `encoder`: `images` (B, H, W, 3), `quality` int64 (B), from 0 → `latents` int16 (B, D, h, w) in
    1/32 of a step, not yet rounded to steps, and `side` int16 (B, S, ⌈h/4⌉, ⌈w/4⌉); h is H / 8 - 1.
    `decoder`: `latents` int16 (B, D, h, w) in sixteenths, `quality` → `images` of 8 (h - 1) rows.
    Pictures are mirrored by 8 pixels on each side first, and then to a multiple of 8. Tables:
    `hyperprior.LevelTables`.
    """

    kind: Literal["compression"] = "compression"
    roles: ClassVar[tuple[str, ...]] = ("encoder", "decoder", "tables")
    image: FixedImage | AnySizeImage
    entropy: Annotated[FactorizedEntropy | Hyperprior, Field(discriminator="kind")] = (
        FactorizedEntropy()
    )

    @property
    def exact_roles(self) -> tuple[str, ...]:
        """Graphs whose outputs no machine may compute otherwise."""
        return self.entropy.exact_roles if isinstance(self.entropy, Hyperprior) else ()

    @property
    def qualities(self) -> int:
        """How many there are to choose from; 0 where there is no choice."""
        return self.entropy.qualities if isinstance(self.entropy, Hyperprior) else 0

    @model_validator(mode="after")
    def _sizes_are_free_with_a_hyperprior(self) -> Self:
        if isinstance(self.image, AnySizeImage) != isinstance(self.entropy, Hyperprior):
            raise ValueError(
                "a FixedImage and factorised entropy belong together, and a FreeImage and a "
                f"hyperprior; not {type(self.image).__name__} and {self.entropy.kind}"
            )
        return self


class RecurrentState(FrozenModel):
    """What a recurrent graph remembers: float32 (layers, B, width), zeros before the first step."""

    name: str
    """The input's name."""
    next: str
    """Of the output that is the same input of the next step."""
    layers: PositiveInt
    width: PositiveInt


class TextGeneration(FrozenModel):
    """Graph `step`: `tokens` int64 (B, T) and states → `logits` float32 (B, T, V), next states.

    `logits[b, t]` is about the character after `tokens[b, t]`. B and T are free, so a prompt is
    read in one run, and one run advances many texts by one character.
    """

    kind: Literal["text"] = "text"
    roles: ClassVar[tuple[str, ...]] = ("step",)
    vocabulary: Annotated[str, Field(min_length=2)]
    """Every character (code point) that it knows, in the order of their indices."""
    start: Annotated[str, Field(min_length=1)]
    """What is read before every prompt: something that a text begins after, as a new line."""
    states: Annotated[tuple[RecurrentState, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _characters_are_distinct_and_known(self) -> Self:
        if len(set(self.vocabulary)) != len(self.vocabulary):
            raise ValueError("vocabulary holds a character twice")
        if not set(self.start) <= set(self.vocabulary):
            raise ValueError(f"start {self.start!r} has characters that are not in vocabulary")
        return self


class HandwritingGeneration(FrozenModel):
    """Graph `step`: `moves` float32 (B, T, 5) and states → `mixture` float32 (B, T, 6M + 3).

    It also takes `symbols` int64 (B, T): what is being drawn, by its place in `symbols` below; and
    gives the next states. A move is dx, dy and one of three for the pen where it ends: down,
    lifted, drawing finished. Before the first the pen is lifted, in the middle of a 1 × 1 box.

    `mixture[b, t]` is about the move after `moves[b, t]`: of M Gaussians the logits, the means of
    dx and of dy, the logarithms of their deviations and the inverse hyperbolic tangents of their
    correlation, M values each; then the logits of the pen (Graves 2013, arXiv 1308.0850, section
    4.1). `models_store.sampling.handwriting` draws from it.
    """

    kind: Literal["handwriting"] = "handwriting"
    roles: ClassVar[tuple[str, ...]] = ("step",)
    symbols: Annotated[str, Field(min_length=1)]
    """Every character that it can draw, in the order of their indices."""
    components: PositiveInt
    """M."""
    max_moves: PositiveInt
    """A drawing is ended after so many, should it not end by itself."""
    aspect: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """Width of the box over its height, as it should be shown."""
    states: Annotated[tuple[RecurrentState, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _symbols_are_distinct(self) -> Self:
        if len(set(self.symbols)) != len(self.symbols):
            raise ValueError("symbols holds a character twice")
        return self


class FaceGeneration(FrozenModel):
    """Graph `generator`: `latents` float32 (B, Z) → `images` uint8 (B, H, W, C).

    A latent is Z independent standard normal numbers. `models_store.sampling.latents` derives them
    from a seed, so that a seed gives the same face on every machine.
    """

    kind: Literal["faces"] = "faces"
    roles: ClassVar[tuple[str, ...]] = ("generator",)
    latent: PositiveInt
    """Z."""
    width: PositiveInt
    height: PositiveInt
    mode: ColorMode
    typical: NonNegativeInt = 0
    """Seed of a face that is like most: the one that truncation leads to."""


Task = Annotated[
    Classification
    | Denoising
    | Compression
    | TextGeneration
    | HandwritingGeneration
    | FaceGeneration,
    Field(discriminator="kind"),
]
