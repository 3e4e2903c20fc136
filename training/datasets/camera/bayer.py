"""Bayer mosaic and demosaicing.

Shapes: B images, H height, W width. A phase (row, column) names the place of the first red pixel
within the 2 × 2 pattern red green / green blue.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Demosaicing = Literal["bilinear", "malvar"]

_HERE = ((0, 0, 0, 0, 0), (0, 0, 0, 0, 0), (0, 0, 1, 0, 0), (0, 0, 0, 0, 0), (0, 0, 0, 0, 0))
# Divisor, then kernels for green at red or blue, for red or blue at green (from the same row; its
# transpose from the same column), and for red at blue or blue at red.
_KERNELS = {
    "bilinear": (
        4,
        ((0, 0, 0, 0, 0), (0, 0, 1, 0, 0), (0, 1, 0, 1, 0), (0, 0, 1, 0, 0), (0, 0, 0, 0, 0)),
        ((0, 0, 0, 0, 0), (0, 0, 0, 0, 0), (0, 2, 0, 2, 0), (0, 0, 0, 0, 0), (0, 0, 0, 0, 0)),
        ((0, 0, 0, 0, 0), (0, 1, 0, 1, 0), (0, 0, 0, 0, 0), (0, 1, 0, 1, 0), (0, 0, 0, 0, 0)),
    ),
    "malvar": (
        16,
        ((0, 0, -2, 0, 0), (0, 0, 4, 0, 0), (-2, 4, 8, 4, -2), (0, 0, 4, 0, 0), (0, 0, -2, 0, 0)),
        ((0, 0, 1, 0, 0), (0, -2, 0, -2, 0), (-2, 8, 10, 8, -2), (0, -2, 0, -2, 0), (0, 0, 1, 0, 0)),  # noqa: E501
        ((0, 0, -3, 0, 0), (0, 4, 0, 4, 0), (-3, 0, 12, 0, -3), (0, 4, 0, 4, 0), (0, 0, -3, 0, 0)),
    ),
}  # fmt: skip
_REACH = 2


def mosaic(images_B3HW: Tensor, phase: tuple[int, int]) -> Tensor:
    """Keep the one colour that each pixel of the sensor sees: (B, 1, H, W)."""
    return (images_B3HW * _color_masks(images_B3HW.shape[-2:], phase)).sum(1, keepdim=True)


def demosaic(raw_B1HW: Tensor, phase: tuple[int, int], method: Demosaicing) -> Tensor:
    """Interpolate the two missing colours of each pixel: (B, 3, H, W).

    `bilinear` averages a colour's nearest neighbours. `malvar` corrects each average by the second
    difference of the pixel's own colour, so that edges stay sharp (Malvar, He and Cutler 2004).
    """
    divisor, *missing = _KERNELS[method]
    cross, row, diagonal = (torch.tensor(kernel) / divisor for kernel in missing)
    kernels = torch.stack([torch.tensor(_HERE).float(), cross, row, row.T, diagonal])
    padded = functional.pad(raw_B1HW, (_REACH,) * 4, mode="reflect")  # keeps the pattern's phase
    averages = functional.conv2d(padded, kernels[:, None])
    own, green, horizontal, vertical, diagonals = averages.chunk(5, 1)
    red, at_green, blue = _color_masks(raw_B1HW.shape[-2:], phase).chunk(3)
    with_red = red.amax(-1, keepdim=True)  # rows with red pixels; the others have blue ones
    reds = own * red + diagonals * blue + at_green * torch.where(with_red > 0, horizontal, vertical)
    blues = (
        own * blue + diagonals * red + at_green * torch.where(with_red > 0, vertical, horizontal)
    )
    return torch.cat([reds, own * at_green + green * (red + blue), blues], 1)


def _color_masks(size_HW: torch.Size, phase: tuple[int, int]) -> Tensor:
    """Return masks of the red, green and blue pixels: (3, H, W)."""
    height, width = size_HW
    row = (torch.arange(height)[:, None] + phase[0]) % 2
    column = (torch.arange(width)[None] + phase[1]) % 2
    return torch.stack([(1 - row) * (1 - column), row ^ column, row * column]).float()
