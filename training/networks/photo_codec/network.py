"""The codec: a trainable lapped transform, gains for each quality, and the entropy model.

Shapes: B batch, H, W pixels, h = ⌈H / 8⌉ + 1 and w blocks, D channels, Q qualities.
"""

from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from training.networks.base import BaseNetworkConfig
from training.networks.photo_codec.integer_ops import round_ste
from training.networks.photo_codec.lapped import BLOCK, lapped_kernels
from training.networks.photo_codec.prior import (
    MEAN_RESOLUTION,
    SCALE_LEVELS,
    SIDE_LIMIT,
    GroupPrior,
    SidePrior,
    phase_masks,
)

RoundFn = Callable[[Tensor], Tensor]

LEVELS_PER_OCTAVE = 6
LOG2_MIN_SCALE = -4.5
"""Octaves. Table 0 is a logistic distribution with scale 2^-4.5 of a step, which is almost always
0."""
_KERNEL_RATE = 0.05
"""Learning-rate factor of the transform's kernels. They are small numbers, which would oscillate at
the rate of the other weights."""
_MAX_CORRECTION = 16 / 255
"""Change of a coefficient for an output of 1 of the network that refines the analysis."""
_LEVEL_UNIT = 16
"""Levels per unit of a parameter, so that it is trained as fast as the others."""
PHASES = (((0,), (3,), (1, 2)), ((0, 3), (1, 2)), ((0, 1, 2, 3),))


def logistic_scale(levels: Tensor) -> Tensor:
    """Return the scales, in steps, of the logistic distributions that tables stand for."""
    return torch.exp2(levels / LEVELS_PER_OCTAVE + LOG2_MIN_SCALE)


class CodecOutput(NamedTuple):
    """Output of one training pass: the reconstruction, and the bits of each image."""

    estimate: Tensor
    bits_B: Tensor
    side_bits_B: Tensor


class EntropyParameters(NamedTuple):
    """Distribution parameters of every latent (B, D, h, w)."""

    decoded: Tensor
    """Decoded latents in sixteenths of a step."""
    offsets: Tensor
    """Distance from the predicted mean, in steps, before rounding."""
    levels: Tensor


class PhotoCodec(nn.Module):
    """The codec network, initially a lapped transform with uniform quantizers."""

    class Config(BaseNetworkConfig):
        kind: Literal["photo-codec"] = "photo-codec"
        chroma: Annotated[int, Field(ge=1, le=64)] = 28
        """Channels of either colour difference; brightness has 64."""
        groups: tuple[PositiveInt, PositiveInt] = (24, 40)
        """Channels of the first two groups; the third group has the rest."""
        hidden: PositiveInt = 80
        """Width of the networks around the transform."""
        prior_hidden: PositiveInt = 64
        features: PositiveInt = 48
        side: PositiveInt = 32
        qualities: PositiveInt = 9

        def build(self) -> "PhotoCodec":
            return PhotoCodec(self)

    kernels: Tensor
    frequency: Tensor
    deviation: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        kernels, frequency = lapped_kernels(config.chroma)
        channels, hidden, qualities = len(kernels), config.hidden, config.qualities
        self.channels = channels
        self.group_sizes = (*config.groups, channels - sum(config.groups))
        self.register_buffer("kernels", kernels)
        self.analysis_change = nn.Parameter(torch.zeros_like(kernels))
        self.synthesis_change = nn.Parameter(torch.zeros_like(kernels))
        self.register_buffer("frequency", frequency)
        self.register_buffer("deviation", torch.ones(channels))
        self.log_gain = nn.Parameter(torch.zeros(qualities, channels))
        self.log_step = nn.Parameter(torch.zeros(qualities, channels))
        self.refine = nn.Sequential(
            nn.Conv2d(channels, hidden, 1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(hidden, hidden, 3, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(hidden, channels, 1),
        )
        self.restore_first = nn.Conv2d(channels, hidden, 3, padding=1)
        self.restore_bias = nn.Parameter(torch.zeros(qualities, hidden))
        self.restore_block = nn.Sequential(
            nn.LeakyReLU(0.1),
            nn.Conv2d(hidden, hidden, 3, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(hidden, hidden, 1),
        )
        self.restore_last = nn.Conv2d(hidden, channels, 3, padding=1)
        self.summarise = nn.Sequential(
            nn.Conv2d(channels, config.prior_hidden, 1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(config.prior_hidden, config.prior_hidden, 3, stride=2, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(config.prior_hidden, config.side, 3, stride=2, padding=1),
        )
        self.side_prior = SidePrior(config.side, config.prior_hidden, config.features, qualities)
        self.side_mean = nn.Parameter(torch.zeros(qualities, config.side))
        self.side_level = nn.Parameter(torch.full((qualities, config.side), 30 / _LEVEL_UNIT))
        befores = (0, self.group_sizes[0], sum(self.group_sizes[:2]))
        self.groups = nn.ModuleList(
            GroupPrior(size, before, config.features, config.prior_hidden, qualities, PHASES[index])
            for index, (size, before) in enumerate(zip(self.group_sizes, befores, strict=True))
        )

    @property
    def priors(self) -> list[GroupPrior]:
        """The entropy models of the groups of channels, in decoding order."""
        return [group for group in self.groups if isinstance(group, GroupPrior)]

    @torch.no_grad()
    def init_from_data(self, images_NCHW: Tensor) -> None:
        """Start as the lapped transform alone, scaled by the coefficients of images in 0–1."""
        for conv in (self.refine[-1], self.restore_last):
            nn.init.zeros_(conv.weight)  # type: ignore[arg-type]
        self.deviation.copy_(self.transform(images_NCHW).std((0, 2, 3)))
        linear = self.priors[0].linear
        neighbour_weights = torch.full((3, 3), 0.25)
        neighbour_weights[1, 1] = 0
        for channel in torch.topk(self.deviation, 3).indices.tolist():
            if linear is not None and channel < len(linear.weight):
                linear.weight[channel, channel] = neighbour_weights

    @torch.no_grad()
    def init_quantizers(self, steps_Q: Tensor) -> None:
        """Set the quantizers' steps, in grey levels of an orthonormal coefficient.

        Call it after `init_from_data`: the prior starts from the steps and the deviations.
        """
        log_steps_Q = (steps_Q / 255).log()
        self.log_gain.copy_(-log_steps_Q[:, None].expand_as(self.log_gain))
        self.log_step.copy_(log_steps_Q[:, None].expand_as(self.log_step))
        # Logistic scale of the part that neighbours do not predict: about a third of the deviation.
        scale_QD = self.deviation / (steps_Q[:, None] / 255) / 3
        levels_QD = ((scale_QD.log2() - LOG2_MIN_SCALE) * LEVELS_PER_OCTAVE).clamp(
            4, SCALE_LEVELS - 4
        )
        for group, levels in zip(
            self.priors, torch.split(levels_QD, list(self.group_sizes), 1), strict=True
        ):
            rows = levels.repeat_interleave(len(group.phases), 0)
            group.bias_last[:, group.channels :] = rows / _LEVEL_UNIT

    def analysis_kernels(self) -> Tensor:
        return self.kernels + self.analysis_change * _KERNEL_RATE

    def synthesis_kernels(self) -> Tensor:
        return self.kernels + self.synthesis_change * _KERNEL_RATE

    def side_entropy_parameters(self) -> tuple[Tensor, Tensor]:
        """Return the means and levels (Q, S) of side information, as whole numbers."""
        levels = (self.side_level.detach() * _LEVEL_UNIT).round().clamp(0, SCALE_LEVELS - 1)
        return self.side_mean.detach().round(), levels

    def transform(self, images_BCHW: Tensor) -> Tensor:
        """Return coefficients (B, D, h, w) of images in 0–1 whose sides are multiples of 8."""
        padded = functional.pad(images_BCHW - 0.5, (BLOCK,) * 4, mode="reflect")
        return functional.conv2d(padded, self.analysis_kernels(), stride=BLOCK)

    def refine_coefficients(self, coefficients: Tensor) -> Tensor:
        """Return coefficients (B, D, h, w) corrected by the refining network."""
        scale = self.deviation[:, None, None]
        correction: Tensor = self.refine(coefficients / scale)
        return coefficients + correction * scale.clamp_max(_MAX_CORRECTION)

    def apply_gain(self, coefficients: Tensor, quality_B: Tensor) -> Tensor:
        """Return latents (B, D, h, w) in steps of the quantizer, not yet rounded."""
        return coefficients * self.log_gain.exp()[quality_B][:, :, None, None]

    def encode(self, images_BCHW: Tensor, quality_B: Tensor) -> Tensor:
        """Return latents (B, D, h, w) in steps of the quantizer, not yet rounded."""
        return self.apply_gain(self.refine_coefficients(self.transform(images_BCHW)), quality_B)

    def dequantize(self, latents: Tensor, quality_B: Tensor) -> Tensor:
        """Return coefficients (B, D, h, w) of latents in steps, with rounding partly undone."""
        step = self.log_step.exp()[quality_B][:, :, None, None]
        coefficients = latents * step
        x = self.restore_first(coefficients / self.deviation[:, None, None])
        x = x + self.restore_bias[quality_B][:, :, None, None]
        x = x + self.restore_block(x)
        # In steps: rounding changed a latent by half a step at most.
        correction: Tensor = self.restore_last(functional.leaky_relu(x, 0.1))
        return coefficients + correction * step

    def synthesize(self, coefficients: Tensor, kernels: Tensor) -> Tensor:
        """Return images (B, 3, 8 (h - 1), 8 (w - 1)), around 0–1, not clipped."""
        image = functional.conv_transpose2d(coefficients, kernels, stride=BLOCK)
        return image[:, :, BLOCK:-BLOCK, BLOCK:-BLOCK] + 0.5

    def decode(self, latents: Tensor, quality_B: Tensor) -> Tensor:
        """Return images decoded from latents in steps."""
        return self.synthesize(self.dequantize(latents, quality_B), self.synthesis_kernels())

    def hyper_encode(self, latents: Tensor) -> Tensor:
        """Return side information (B, S, ⌈h / 4⌉, ⌈w / 4⌉) before rounding."""
        # Compress the range: the lowest coefficient of a bright sky is 100 times any other.
        compressed = latents.sign() * (1 + latents.abs()).log()
        out: Tensor = self.summarise(compressed)
        return out

    def forward(self, images_BCHW: Tensor, quality_B: Tensor) -> CodecOutput:
        latents = self.encode(images_BCHW, quality_B)
        side = self.hyper_encode(latents)
        side_bits = _bits(
            side - self.side_mean[quality_B][:, :, None, None],
            self.side_level[quality_B][:, :, None, None] * _LEVEL_UNIT,
        )
        parameters = self.entropy_parameters(
            latents, round_ste(side).clamp(-SIDE_LIMIT, SIDE_LIMIT), quality_B
        )
        bits_B = side_bits + _bits(parameters.offsets, parameters.levels)
        estimate = self.decode(parameters.decoded / MEAN_RESOLUTION, quality_B)
        return CodecOutput(estimate, bits_B, side_bits.detach())

    def entropy_parameters(
        self, latents: Tensor, side: Tensor, quality_B: Tensor, round_fn: RoundFn = round_ste
    ) -> EntropyParameters:
        """Predict the distribution of each of `latents` (in steps) from those decoded before it."""
        height, width = latents.shape[2:]
        features = self.side_prior(side, quality_B)[:, :, :height, :width]
        decoded: list[Tensor] = []
        offsets, tables = [], []
        parts = torch.split(latents, list(self.group_sizes), 1)
        for group, part in zip(self.priors, parts, strict=True):
            context = group.context(features, torch.cat(decoded, 1) if decoded else None)
            decoded_group, offset, levels = (torch.zeros_like(part) for _ in range(3))
            for phase, mask in enumerate(phase_masks(group.phases, height, width)):
                means, phase_levels = group(context, decoded_group, phase, quality_B)
                residual = part - means / MEAN_RESOLUTION
                offset = torch.where(mask, residual, offset)
                levels = torch.where(mask, phase_levels, levels)
                decoded_group = torch.where(
                    mask, MEAN_RESOLUTION * round_fn(residual) + means, decoded_group
                )
            decoded.append(decoded_group)
            offsets.append(offset)
            tables.append(levels)
        return EntropyParameters(torch.cat(decoded, 1), torch.cat(offsets, 1), torch.cat(tables, 1))


def _bits(offset: Tensor, levels: Tensor) -> Tensor:
    """Return the bits of each image (B,), with uniform noise in place of rounding.

    The density of the noisy value is the probability of the step around it (Ballé et al. 2017,
    arXiv 1611.01704, section 3).
    """
    noisy = offset + torch.rand_like(offset) - 0.5
    distance, scale = noisy.abs(), logistic_scale(levels)
    upper = ((0.5 - distance) / scale).sigmoid()
    lower = ((-0.5 - distance) / scale).sigmoid()
    return -(upper - lower).clamp_min(2.0**-16).log2().flatten(1).sum(1)
