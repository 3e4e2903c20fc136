"""The tasks: what a model does, and what a service must know to run it.

`signature` declares the tensors of a task's graphs. A new task needs a class here, its line in
`Task`, and a handler in the service.

Shapes: B batch, H height, W width, C channels (1 for mode L, 3 for RGB), K classes, M members of an
ensemble; D channels of latents, of h × w positions; T time, V characters of a vocabulary; L layers;
Z numbers of a generator's latent.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from models_store.base import FrozenModel
from models_store.signature import AnySize, GraphSignature, Signature, TensorSignature

__all__ = [
    "CHANNELS",
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
CHANNELS: Mapping[ColorMode, int] = {"L": 1, "RGB": 3}


class FixedImage(FrozenModel):
    """Images brought to one size before the graph sees them, as uint8 (B, H, W, C)."""

    width: PositiveInt
    height: PositiveInt
    mode: ColorMode
    resize: Literal["stretch", "crop", "pad"]
    """`stretch` ignores proportions; `crop` fills and cuts the centre; `pad` fits, black around."""

    def tensor(self, name: str) -> TensorSignature:
        shape = ("B", self.height, self.width, CHANNELS[self.mode])
        return TensorSignature(name, "uint8", shape)


class AnySizeImage(FrozenModel):
    """Images of any size, as uint8 (B, H, W, C), in tiles when they are large."""

    mode: ColorMode
    multiple_of: PositiveInt
    """Height and width that the graph sees must be multiples of this; edges are mirrored to it."""
    tile: PositiveInt
    """Side of the largest square that one run may see."""
    overlap: PositiveInt
    """Pixels by which tiles overlap; at least twice the reach of a pixel through the network."""

    def tensor(self, name: str) -> TensorSignature:
        return TensorSignature(name, "uint8", ("B", "H", "W", CHANNELS[self.mode]))

    @model_validator(mode="after")
    def _tiles_fit(self) -> Self:
        if self.tile % self.multiple_of or self.overlap % self.multiple_of:
            raise ValueError(f"tile and overlap must be multiples of {self.multiple_of}")
        if self.overlap >= self.tile:
            raise ValueError(f"overlap {self.overlap} must be smaller than tile {self.tile}")
        return self


class Classification(FrozenModel):
    """Images → probabilities of classes. An ensemble also gives those of each member."""

    kind: Literal["classification"] = "classification"
    roles: ClassVar[tuple[str, ...]] = ("model",)
    image: FixedImage
    labels: Annotated[tuple[str, ...], Field(min_length=2)]

    @property
    def signature(self) -> Signature:
        classes = len(self.labels)
        return {
            "model": GraphSignature(
                inputs=[self.image.tensor("images")],
                outputs=[
                    TensorSignature("probabilities", "float32", ("B", classes)),
                    TensorSignature(
                        "members", "float32", ("B", AnySize("M"), classes), optional=True
                    ),
                ],
            )
        }


class Denoising(FrozenModel):
    """Noisy images → images of the same size without their noise."""

    kind: Literal["denoising"] = "denoising"
    roles: ClassVar[tuple[str, ...]] = ("model",)
    image: AnySizeImage
    noise: str
    """The noise that it was trained to remove, in words."""

    @property
    def signature(self) -> Signature:
        return {
            "model": GraphSignature([self.image.tensor("images")], [self.image.tensor("denoised")])
        }


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
    """Side information → integer parameters of the distribution of each latent.

    Graph `features` turns the side information `side` into features. A graph for each group of
    channels, `low`, `middle` and `high` in this order, decodes the group in phases: from the
    features, from `before` (the groups decoded before it) and from `group` (what is decoded of its
    own, 0 elsewhere) it computes `means`, in sixteenths of a step, and `levels`, indices of
    frequency tables. `row` is quality × phases + phase. Decoded latents are in sixteenths of a
    step.

    These graphs compute with integers alone (held as float32, below 2^24), so that they give the
    same result on every machine: their golden outputs must match exactly.
    `models_store.compression.hyperprior` turns latents into bytes with them.
    """

    kind: Literal["hyperprior"] = "hyperprior"
    qualities: Annotated[int, Field(ge=1, le=255)]
    groups: Annotated[tuple[ChannelGroup, ...], Field(min_length=1, max_length=3)]

    @property
    def group_roles(self) -> tuple[str, ...]:
        return ("low", "middle", "high")[: len(self.groups)]

    @property
    def signature(self) -> Signature:
        """The graphs beside the encoder and the decoder: their outputs must be exact."""
        maps = ("B", AnySize("F"), "h", "w")
        graphs = {
            "features": GraphSignature(
                [_side_tensor(), TensorSignature("quality", "int64", ("B",))],
                [TensorSignature("features", "uint8", maps)],
            )
        }
        decoded_channels = 0
        for role, group in zip(self.group_roles, self.groups, strict=True):
            shape = ("B", group.channels, "h", "w")
            inputs = [
                TensorSignature("features", "uint8", maps),
                TensorSignature("group", "int16", shape),
                TensorSignature("row", "int64", ("B",)),
            ]
            if decoded_channels:
                before = ("B", decoded_channels, "h", "w")
                inputs.append(TensorSignature("before", "int16", before))
            outputs = [
                TensorSignature("means", "int16", shape),
                TensorSignature("levels", "uint8", shape),
            ]
            graphs[role] = GraphSignature(inputs, outputs)
            decoded_channels += group.channels
        return graphs


def _side_tensor() -> TensorSignature:
    return TensorSignature("side", "int16", ("B", AnySize("S"), "h", "w"))


class Compression(FrozenModel):
    """Images ↔ latents, and the tables by which latents become bytes.

    Graph `encoder` turns images into rounded `latents`, graph `decoder` turns them back; file
    `tables` holds `compression.factorized.FrequencyTables`. No float decides what a code means:
    frequencies and latents are integers, so a code made on any machine reads as the same latents on
    every machine.

    A codec for images of any size has an `AnySizeImage`, a `Hyperprior` with its graphs, and
    `compression.hyperprior.ScaleTables`. Images are reflected by 8 pixels on each side first, and
    then to a multiple of 8. Its encoder also takes the quality, from 0, and gives latents in 1/32
    of a step, not yet rounded, for h = H / 8 - 1 rows, and `side` for ⌈h / 4⌉ rows. Its decoder
    takes latents in sixteenths of a step, and gives 8 (h - 1) rows.
    """

    kind: Literal["compression"] = "compression"
    roles: ClassVar[tuple[str, ...]] = ("encoder", "decoder", "tables")
    image: FixedImage | AnySizeImage
    entropy: Annotated[FactorizedEntropy | Hyperprior, Field(discriminator="kind")] = (
        FactorizedEntropy()
    )

    @property
    def exact_roles(self) -> tuple[str, ...]:
        """Graphs whose outputs must be exact, because they decide what a code means."""
        return tuple(self.entropy.signature) if isinstance(self.entropy, Hyperprior) else ()

    @property
    def signature(self) -> Signature:
        images = self.image.tensor("images")
        if isinstance(self.entropy, FactorizedEntropy):
            shape: tuple[str, ...] = ("B", AnySize("D"), AnySize("h"), AnySize("w"))
            latents = TensorSignature("latents", "int16", shape)
            return {
                "encoder": GraphSignature([images], [latents]),
                "decoder": GraphSignature([latents], [images]),
            }
        latents = TensorSignature("latents", "int16", ("B", AnySize("D"), "h", "w"))
        quality = TensorSignature("quality", "int64", ("B",))
        return {
            "encoder": GraphSignature([images, quality], [latents, _side_tensor()]),
            "decoder": GraphSignature([latents, quality], [images]),
            **self.entropy.signature,
        }

    @property
    def qualities(self) -> int:
        """Number of quality levels; 0 if there is no choice."""
        return self.entropy.qualities if isinstance(self.entropy, Hyperprior) else 0

    @model_validator(mode="after")
    def _sizes_are_free_with_a_hyperprior(self) -> Self:
        if isinstance(self.image, AnySizeImage) != isinstance(self.entropy, Hyperprior):
            raise ValueError(
                "a FixedImage and factorised entropy belong together, and an AnySizeImage and a "
                f"hyperprior; not {type(self.image).__name__} and {self.entropy.kind}"
            )
        return self


class RecurrentState(FrozenModel):
    """A state of a recurrent graph: float32 (layers, B, width), zeros before the first step."""

    name: str
    """Name of the input."""
    next: str
    """Name of the output that is this input of the next step."""
    layers: PositiveInt
    width: PositiveInt


def _step_graph(
    inputs: Sequence[TensorSignature], output: TensorSignature, states: Sequence[RecurrentState]
) -> Signature:
    """Declare a recurrent graph, which takes its states and gives the next ones."""

    def tensors(names: Sequence[str]) -> list[TensorSignature]:
        return [
            TensorSignature(name, "float32", (state.layers, "B", state.width))
            for name, state in zip(names, states, strict=True)
        ]

    return {
        "step": GraphSignature(
            [*inputs, *tensors([state.name for state in states])],
            [output, *tensors([state.next for state in states])],
        )
    }


class TextGeneration(FrozenModel):
    """A recurrent network that predicts the next character.

    `logits[b, t]` of graph `step` is about the character after `tokens[b, t]`. B and T are free:
    one run reads a whole prompt, or advances many texts by one character.
    """

    kind: Literal["text"] = "text"
    roles: ClassVar[tuple[str, ...]] = ("step",)
    vocabulary: Annotated[str, Field(min_length=2)]
    """Every character (code point) that it knows, in the order of their indices."""
    start: Annotated[str, Field(min_length=1)]
    """Text that is read before every prompt, such as a line end, after which a text starts."""
    states: Annotated[tuple[RecurrentState, ...], Field(min_length=1)]

    @property
    def signature(self) -> Signature:
        logits = TensorSignature("logits", "float32", ("B", "T", len(self.vocabulary)))
        return _step_graph([TensorSignature("tokens", "int64", ("B", "T"))], logits, self.states)

    @model_validator(mode="after")
    def _characters_are_distinct_and_known(self) -> Self:
        if len(set(self.vocabulary)) != len(self.vocabulary):
            raise ValueError("vocabulary holds a character twice")
        if not set(self.start) <= set(self.vocabulary):
            raise ValueError(f"start {self.start!r} has characters that are not in vocabulary")
        return self


class HandwritingGeneration(FrozenModel):
    """A recurrent network that draws symbols move by move.

    Graph `step` takes `moves` and `symbols`, the symbol being drawn, by its index in `symbols`
    below. A move is dx, dy and one of three for the pen where it ends: down, lifted, drawing
    finished. Before the first the pen is lifted, in the middle of a 1 × 1 box.

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

    @property
    def signature(self) -> Signature:
        inputs = [
            TensorSignature("moves", "float32", ("B", "T", 5)),
            TensorSignature("symbols", "int64", ("B", "T")),
        ]
        mixture = TensorSignature("mixture", "float32", ("B", "T", 6 * self.components + 3))
        return _step_graph(inputs, mixture, self.states)

    @model_validator(mode="after")
    def _symbols_are_distinct(self) -> Self:
        if len(set(self.symbols)) != len(self.symbols):
            raise ValueError("symbols holds a character twice")
        return self


class FaceGeneration(FrozenModel):
    """Latents → images of faces.

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
    """Seed of a typical face: the one that truncation leads to."""

    @property
    def signature(self) -> Signature:
        images = TensorSignature(
            "images", "uint8", ("B", self.height, self.width, CHANNELS[self.mode])
        )
        latents = TensorSignature("latents", "float32", ("B", self.latent))
        return {"generator": GraphSignature([latents], [images])}


Task = Annotated[
    Classification
    | Denoising
    | Compression
    | TextGeneration
    | HandwritingGeneration
    | FaceGeneration,
    Field(discriminator="kind"),
]
