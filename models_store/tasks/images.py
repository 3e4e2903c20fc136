"""Tasks on images of a fixed or any size.

Shapes: B batch, H height, W width, C channels (1 for mode L, 3 for RGB), K classes, M members of an
ensemble; Z numbers of a generator's latent.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from models_store.base import FrozenModel
from models_store.signature import AnySize, GraphSignature, Signature, TensorSignature

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
    edge_margin: NonNegativeInt = 0
    """Pixels of reflection that an image gets at its edges, beyond the reach of the zeros that
    convolutions pad with. 0 for a network trained on whole images, which learnt to use them."""

    @property
    def signature(self) -> Signature:
        return {
            "model": GraphSignature([self.image.tensor("images")], [self.image.tensor("denoised")])
        }


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
