"""Convolutions whose results are whole numbers, the same on every machine.

After Ballé, Johnston and Minnen 2019, "Integer Networks for Data Compression with Latent-Variable
Models": weights, biases and activations are whole numbers, and a shift brings sums back to 8 bits.
They are stored as float32, which every runtime convolves fast: as long as the sum of absolute terms
is below 2^24, every partial sum is exact, in any order.

Training uses the same rounding as inference; gradients pass straight through it.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

MAX_ACTIVATION = 255
"""Largest activation."""
WEIGHT_BITS = 8
"""A weight of 1 is the whole number 2^8."""
UNIT_BITS = 6
"""An activation of 1 is the whole number 2^6."""
MAX_EXACT_INTEGER = 2**24
"""float32 represents every whole number below it."""


def round_ste(x: Tensor) -> Tensor:
    """Round to the nearest whole number, with a straight-through gradient."""
    return x + (x.round() - x).detach() if x.requires_grad else x.round()


def floor_ste(x: Tensor) -> Tensor:
    """Round down, with a straight-through gradient."""
    return x + (x.floor() - x).detach() if x.requires_grad else x.floor()


def right_shift(sums: Tensor, bits: int = WEIGHT_BITS) -> Tensor:
    """Drop the lowest `bits` of sums; exact, because the divisor is a power of two."""
    return floor_ste(sums * 2.0**-bits)


class IntegerConv(nn.Module):
    """A convolution of whole numbers, padded with zeros, that returns sums in 2^-14 of a unit.

    The stored weights are in units, so that an optimizer treats them like any others.
    """

    def __init__(self, channels: int, out: int, kernel: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out, channels, kernel, kernel))
        nn.init.kaiming_normal_(self.weight)

    def integer_weight(self) -> Tensor:
        return round_ste(self.weight * 2**WEIGHT_BITS)

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.integer_weight(), padding=self.weight.shape[-1] // 2)

    def max_abs_sum(self, max_input: int) -> int:
        """Return the largest possible sum of absolute terms, for inputs of at most `max_input`."""
        return max_input * int(self.integer_weight().abs().sum((1, 2, 3)).max())


def requantize(sums: Tensor) -> Tensor:
    """Turn sums into activations: shift them and clamp them to 0 … 255."""
    return right_shift(sums).clamp(0, MAX_ACTIVATION)
