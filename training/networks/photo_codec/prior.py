"""The entropy model: predict each latent from those already decoded, in whole numbers.

Every latent gets a mean in sixteenths of a step and the index of a table, both whole numbers, so
that decoding does not depend on float rounding. Side information comes first (Ballé et al. 2018,
arXiv 1802.01436), then groups of channels from low frequencies to high (He et al. 2022, arXiv
2203.10886), the lower groups in phases of a checkerboard (He et al. 2021, arXiv 2103.15306).

Shapes: B batch, Q qualities, S side channels, F features, G channels of a group, h × w blocks.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from training.networks.photo_codec.integer_ops import (
    MAX_ACTIVATION,
    UNIT_BITS,
    WEIGHT_BITS,
    IntegerConv,
    requantize,
    right_shift,
    round_ste,
)

MEAN_RESOLUTION = 16
"""Means and decoded latents are whole numbers of 1/16 of the quantizer's step."""
SCALE_LEVELS = 64
"""Number of frequency tables, from the narrowest to the widest."""
NEIGHBOUR_LIMIT = 255
"""Bound of neighbours at the network's input: ±255 sixteenths, about 16 steps."""
LINEAR_LIMIT = 4095
"""Bound of neighbours at the linear prediction's input: ±4095 sixteenths, about 256 steps."""
SIDE_LIMIT = 127
"""Side information is in -127 … 127."""
_BIAS = 2 ** (WEIGHT_BITS + UNIT_BITS)
_LEVEL_BITS = 10
"""Bits shifted out of level outputs: an output of one unit moves the table's index by 16."""


class SidePrior(nn.Module):
    """Map side information (B, S, h/4, w/4) to features (B, F, h, w) in 0 … 255."""

    def __init__(self, side: int, hidden: int, features: int, qualities: int) -> None:
        super().__init__()
        self.first = IntegerConv(side, hidden, 3)
        self.second = IntegerConv(hidden, 4 * features)
        self.third = IntegerConv(features, features, 3)
        self.fourth = IntegerConv(features, 4 * features)
        self.bias_QF = nn.Parameter(torch.zeros(qualities, hidden))
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, side: Tensor, quality_B: Tensor) -> Tensor:
        bias = round_ste(self.bias_QF * _BIAS)[quality_B][:, :, None, None]
        # A step of the side information counts an eighth of a unit.
        x = requantize(self.first(side * 8) + bias)
        x = self.shuffle(requantize(self.second(x)))
        x = requantize(self.third(x))
        features: Tensor = self.shuffle(requantize(self.fourth(x)))
        return features


class GroupPrior(nn.Module):
    """Map what is decoded, before and within one group of channels, to means and table indices."""

    def __init__(
        self,
        channels: int,
        before: int,
        features: int,
        hidden: int,
        qualities: int,
        phases: Sequence[Sequence[int]],
    ) -> None:
        super().__init__()
        self.channels, self.phases = channels, tuple(map(tuple, phases))
        self.features = IntegerConv(features, hidden)
        self.before = IntegerConv(before, hidden, 3) if before else None
        self.around = IntegerConv(channels, hidden, 3) if len(phases) > 1 else None
        self.linear = IntegerConv(channels, channels, 3) if len(phases) > 1 else None
        self.second = IntegerConv(hidden, hidden)
        self.last = IntegerConv(hidden, 2 * channels)
        rows = qualities * len(phases)
        self.bias_first = nn.Parameter(torch.zeros(rows, hidden))
        self.bias_last = nn.Parameter(torch.zeros(rows, 2 * channels))
        for conv in (self.before, self.around):
            if conv is not None:
                nn.init.normal_(conv.weight, std=0.01)
        nn.init.normal_(self.last.weight, std=0.01)
        if self.linear is not None:
            nn.init.zeros_(self.linear.weight)

    def context(self, features: Tensor, before: Tensor | None) -> Tensor:
        """Return the sums of the first layer (B, hidden, h, w) that are equal in all phases."""
        sums: Tensor = self.features(features)
        if self.before is not None and before is not None:
            sums = sums + self.before(before.clamp(-NEIGHBOUR_LIMIT, NEIGHBOUR_LIMIT))
        return sums

    def forward(
        self, context: Tensor, group: Tensor, phase: int, quality_B: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return means in sixteenths and table indices, (B, G, h, w) each.

        `group` holds its decoded latents, in sixteenths, and 0 where none is decoded yet.
        """
        # Nothing of the group is decoded in the first phase, so skip convolving zeros.
        decoded = group if phase else None
        return self.predict(context, decoded, quality_B * len(self.phases) + phase)

    def predict(
        self, context: Tensor, group: Tensor | None, row_B: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Compute `forward` with `row_B` = quality × phases + phase."""
        sums = context + round_ste(self.bias_first * _BIAS)[row_B][:, :, None, None]
        # Clamp in sequence: the exporter confuses two separate clamps of one tensor.
        neighbours = None if group is None else group.clamp(-LINEAR_LIMIT, LINEAR_LIMIT)
        if neighbours is not None and self.around is not None:
            sums = sums + self.around(neighbours.clamp(-NEIGHBOUR_LIMIT, NEIGHBOUR_LIMIT))
        x = requantize(self.second(requantize(sums)))
        out = self.last(x) + round_ste(self.bias_last * _BIAS)[row_B][:, :, None, None]
        means, levels = out.chunk(2, 1)
        means = right_shift(means)
        if neighbours is not None and self.linear is not None:
            means = means + right_shift(self.linear(neighbours))
        return means, right_shift(levels, _LEVEL_BITS).clamp(0, SCALE_LEVELS - 1)


def max_abs_sum(prior: SidePrior | GroupPrior) -> int:
    """Return a bound of every sum that `prior` computes, for any latents and any order of addition.

    For each output channel it is the sum of absolute weights times the largest input, plus the
    largest addend.
    """
    if isinstance(prior, SidePrior):
        bias = int((prior.bias_QF.abs() * _BIAS).round().max())
        return max(
            prior.first.max_abs_sum(8 * SIDE_LIMIT) + bias,
            *(
                conv.max_abs_sum(MAX_ACTIVATION)
                for conv in (prior.second, prior.third, prior.fourth)
            ),
        )
    first = prior.features.max_abs_sum(MAX_ACTIVATION) + int(
        (prior.bias_first.abs() * _BIAS).round().max()
    )
    for conv in (prior.before, prior.around):
        first += conv.max_abs_sum(NEIGHBOUR_LIMIT) if conv is not None else 0
    last = prior.last.max_abs_sum(MAX_ACTIVATION) + int(
        (prior.bias_last.abs() * _BIAS).round().max()
    )
    linear = prior.linear.max_abs_sum(LINEAR_LIMIT) if prior.linear is not None else 0
    return max(first, prior.second.max_abs_sum(MAX_ACTIVATION), last, linear)


def phase_masks(phases: Sequence[Sequence[int]], height: int, width: int) -> list[Tensor]:
    """Return a mask (h, w) of the blocks that each phase decodes.

    A phase names corners of every 2 × 2 square.
    """
    rows, columns = torch.arange(height)[:, None] % 2, torch.arange(width)[None, :] % 2
    corner = 2 * rows + columns
    return [torch.isin(corner, torch.tensor(phase)) for phase in phases]
