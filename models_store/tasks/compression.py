"""The compression task: images ↔ latents ↔ bytes.

Shapes: B batch, H height, W width; D channels of latents, of h × w positions; F features, S
channels of side information.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from models_store.base import FrozenModel
from models_store.signature import AnySize, GraphSignature, Signature, TensorSignature
from models_store.tasks.images import AnySizeImage, FixedImage


class FactorizedEntropy(FrozenModel):
    """Independent latents: one frequency table for each (`models_store.compression.factorized`)."""

    kind: Literal["factorised"] = "factorised"


Phase = Annotated[tuple[Annotated[int, Field(ge=0, le=3)], ...], Field(min_length=1)]


class ChannelGroup(FrozenModel):
    """Some of the latent channels, decoded together, in one phase after the other."""

    channels: PositiveInt
    phases: Annotated[tuple[Phase, ...], Field(min_length=1, max_length=4)]
    """Positions that each phase decodes, as corners of every 2 × 2 square: 0 1 above 2 3."""

    @model_validator(mode="after")
    def _every_corner_once(self) -> Self:
        if sorted(corner for phase in self.phases for corner in phase) != [0, 1, 2, 3]:
            raise ValueError(f"phases {self.phases} must name each of the corners 0 to 3 once")
        return self


class Hyperprior(FrozenModel):
    """Side information → integer parameters of the distribution of each latent.

    Graph `features` turns the side information `side` into features. A graph for each group of
    channels, `low`, `middle` and `high` in this order, decodes the group in phases: from the
    features, from `before` (the groups decoded before it) and from `group` (its own positions
    decoded so far, 0 elsewhere) it computes `means`, in sixteenths of a step, and `levels`, indices
    of frequency tables. `row` is quality × phases + phase. Decoded latents are in sixteenths of a
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
    `tables` holds `compression.factorized.FrequencyTables`. Decoding a code uses
    no floating point: frequencies and latents are integers, so every machine decodes a code to the
    same latents.

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
        """Graphs whose outputs must be exact, because decoding depends on them."""
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
