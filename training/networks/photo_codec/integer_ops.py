"""Convolutions whose results are whole numbers, the same on every machine.

After Ballé, Johnston and Minnen 2019, "Integer Networks for Data Compression with Latent-Variable
Models": weights, biases and activations are whole numbers, and a shift brings sums back to 8 bits.
Here they are held as float32, which any runtime convolves fast: as long as no sum of absolute
terms reaches 2^24, every partial sum is exact, in whatever order it is taken.

Trained as they are served: rounding passes gradients straight through.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = [
    "MAX_ACTIVATION",
    "MAX_EXACT_INTEGER",
    "UNIT_BITS",
    "WEIGHT_BITS",
    "IntegerConv",
    "floor_ste",
    "requantize",
    "right_shift",
    "round_ste",
]

MAX_ACTIVATION = 255
"""The most that an activation is."""
WEIGHT_BITS = 8
"""A weight of 1 is the whole number 2^8."""
UNIT_BITS = 6
"""An activation of 1 is the whole number 2^6."""
MAX_EXACT_INTEGER = 2**24
"""Below it float32 holds every whole number."""


def round_ste(x: Tensor) -> Tensor:
    """Nearest whole numbers; the gradient passes as if nothing had happened."""
    return x + (x.round() - x).detach() if x.requires_grad else x.round()


def floor_ste(x: Tensor) -> Tensor:
    """Whole numbers below; the gradient passes as if nothing had happened."""
    return x + (x.floor() - x).detach() if x.requires_grad else x.floor()


def right_shift(sums: Tensor, bits: int = WEIGHT_BITS) -> Tensor:
    """Sums without their lowest `bits`: exact, since a power of two divides."""
    return floor_ste(sums * 2.0**-bits)


class IntegerConv(nn.Module):
    """A convolution of whole numbers, with zeros around; gives sums, in 2^-14 of a unit.

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
        """The largest sum of absolute terms, of inputs of at most `max_input`."""
        return max_input * int(self.integer_weight().abs().sum((1, 2, 3)).max())


def requantize(sums: Tensor) -> Tensor:
    """Sums → activations: shifted, and kept in 0 … 255."""
    return right_shift(sums).clamp(0, MAX_ACTIVATION)
