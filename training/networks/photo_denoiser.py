"""A denoiser for photographs: a small residual U-Net at half the image's height and width.

The image is first rearranged into half its height and width and four times its channels (FFDNet,
Zhang et al. 2018, arXiv 1710.04026), so that a pixel costs a quarter and a convolution reaches
twice as far. The levels consist of residual blocks without batch norm, joined by sums, as in DRUNet
(Zhang et al. 2021, arXiv 2008.13751); unlike DRUNet, the network does not receive the noise level.

Shapes: B batch, C channels, H and W multiples of `2 ** len(widths)`.
"""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional

from training.networks.base import BaseNetworkConfig


class _Block(nn.Module):
    """x + conv(relu(conv(x))) as in DRUNet, without norm and without activation after the sum."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.second(functional.relu(self.first(x)))
        return y


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(_Block(width) for _ in range(count)))


class PhotoDenoiser(nn.Module):
    """`forward` maps noisy images (B, C, H, W) around 0–1 to clean estimates, not clipped."""

    class Config(BaseNetworkConfig):
        kind: Literal["photo-denoiser"] = "photo-denoiser"
        channels: Literal[1, 3] = 3
        widths: Annotated[tuple[PositiveInt, ...], Field(min_length=1, max_length=4)] = (32, 64)
        """Channels of each level, finest first; the first has half the image's height and width."""
        blocks: Annotated[tuple[PositiveInt, ...], Field(min_length=1, max_length=4)] = (2, 3)
        """Residual blocks of each level. The coarsest level has them once; the others have them on
        the way down and again on the way up."""

        @model_validator(mode="after")
        def _validate_levels(self) -> Self:
            if len(self.blocks) != len(self.widths):
                raise ValueError(f"{len(self.widths)} widths need as many blocks: {self.blocks}")
            return self

        @property
        def image_channels(self) -> int:
            return self.channels

        @property
        def multiple_of(self) -> int:
            return int(2 ** len(self.widths))

        @property
        def reach(self) -> int:
            """Bound of the distance, from the convolutions of every level.

            A 3×3 convolution at level l reaches 2^(l+1) pixels. A pixel of a level covers whole
            pixels of the finer level, so the reach is rounded up to the next multiple once.
            """
            *finer, coarsest = (2 * count for count in self.blocks)
            steps = [2 * count for count in finer] + [coarsest]
            convolutions = sum(count * 2 ** (level + 1) for level, count in enumerate(steps))
            first_and_last = 2 * 2
            return int(convolutions + first_and_last + self.multiple_of - 1)

        def build(self) -> "PhotoDenoiser":
            return PhotoDenoiser(self)

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths, (*finer, coarsest) = config.widths, config.blocks
        self.first = nn.Conv2d(4 * config.channels, widths[0], 3, padding=1)
        self.encoder = nn.ModuleList(map(_blocks, widths[:-1], finer))
        self.down = nn.ModuleList(
            nn.Conv2d(fine, coarse, 2, 2) for fine, coarse in pairwise(widths)
        )
        self.middle = _blocks(widths[-1], coarsest)
        upwards = list(reversed(list(pairwise(widths))))
        self.up = nn.ModuleList(nn.Conv2d(coarse, 4 * fine, 1) for fine, coarse in upwards)
        self.decoder = nn.ModuleList(map(_blocks, widths[-2::-1], reversed(finer)))
        self.residual = nn.Conv2d(widths[0], 4 * config.channels, 3, padding=1)

    def init_from_data(self, images_NCHW: Tensor) -> None:
        """Set every residual to zero (Zhang et al. 2019, Fixup). The images are not used.

        Without norms this keeps a high learning rate stable, and the first estimate is the noisy
        image itself.
        """
        del images_NCHW
        last_convolutions = (
            module.second for module in self.modules() if isinstance(module, _Block)
        )
        for convolution in (*last_convolutions, self.residual):
            nn.init.zeros_(convolution.weight)

    def forward(self, noisy_BCHW: Tensor) -> Tensor:
        x = self.first(functional.pixel_unshuffle(noisy_BCHW, 2))
        skips: list[Tensor] = []
        for encode, down in zip(self.encoder, self.down, strict=True):
            skips.append(encode(x))
            x = down(skips[-1])
        x = self.middle(x)
        for up, decode in zip(self.up, self.decoder, strict=True):
            x = decode(functional.pixel_shuffle(up(x), 2) + skips.pop())
        estimate: Tensor = noisy_BCHW + functional.pixel_shuffle(self.residual(x), 2)
        return estimate
