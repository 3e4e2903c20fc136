"""Tables of integer frequencies for entropy coding, counted on the training data.

Shapes: N images, D latent dimensions of h × w positions; L levels, K values from -K/2 to K/2 - 1.
"""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models_store.compression.factorized import FrequencyTable, FrequencyTables
from models_store.compression.hyperprior import LATENT_RESOLUTION, ScaleTables
from models_store.compression.range_coder import PRECISION_BITS
from training.networks.photo_codec import PhotoCodec
from training.networks.photo_codec.network import logistic_scale
from training.networks.photo_codec.prior import SCALE_LEVELS, SIDE_LIMIT

_MAX_STEPS = 126
"""Larger distances, in steps, are coded as escapes."""
_TAIL_PROBABILITY = 2.0**-14
"""A table ends where the trained distribution has less than this probability left."""
_PRIOR_COUNT = 2000.0
"""Weight of the trained distribution beside the counts, because a level may be rare."""


def build_frequency_tables(latents_NDhw: NDArray[np.int16]) -> FrequencyTables:
    """Build a table for each dimension, over all its values in the data, and an escape."""
    by_dimension = latents_NDhw.astype(np.int64).swapaxes(0, 1)
    return FrequencyTables(tables=tuple(_build_table(values.ravel()) for values in by_dimension))


def _build_table(values: NDArray[np.int64]) -> FrequencyTable:
    lowest = int(values.min())
    # The escape is one more value, with a count of zero.
    counts = np.bincount(values - lowest, minlength=int(values.max()) - lowest + 1).tolist()
    return FrequencyTable(lowest=lowest, frequencies=scale_counts([*counts, 0]))


def scale_counts(counts: list[int]) -> tuple[int, ...]:
    """Scale counts to a sum of 2^16, each at least 1, because unseen values may occur later."""
    total, spare = sum(counts), (1 << PRECISION_BITS) - len(counts)
    shares = [1 + count * spare // total for count in counts]
    # The remainder goes to the most frequent value, where it changes the least.
    shares[counts.index(max(counts))] += (1 << PRECISION_BITS) - sum(shares)
    return tuple(shares)


def build_scale_tables(
    codec: PhotoCodec, images: Iterable[Tensor], deadzone: int, certain: int
) -> ScaleTables:
    """Count over `images` (3, H, W uint8), at every quality, as an encoder would code them."""
    counts_LK = np.zeros((SCALE_LEVELS, 2 * _MAX_STEPS + 1))
    with torch.inference_mode():
        for image in images:
            for quality in range(codec.config.qualities):
                counts_LK += _count_steps(codec, image, quality, deadzone / LATENT_RESOLUTION)
    means, levels = codec.side_entropy_parameters()
    return ScaleTables(
        tables=tuple(_build_scale_table(level, counts) for level, counts in enumerate(counts_LK)),
        certain=certain,
        deadzone=deadzone,
        side_levels=tuple(map(tuple, levels.int().tolist())),
        side_means=tuple(map(tuple, means.int().tolist())),
    )


def _count_steps(
    codec: PhotoCodec, image: Tensor, quality: int, deadzone: float
) -> NDArray[np.float64]:
    height, width = (size // 8 * 8 for size in image.shape[1:])
    images = image[None, :, :height, :width].float() / 255
    quality_B = torch.tensor([quality])
    latents = codec.encode(images, quality_B)
    side = codec.hyper_encode(latents).round().clamp(-SIDE_LIMIT, SIDE_LIMIT)

    def round_with_deadzone(x: Tensor) -> Tensor:
        return x.sign() * (x.abs() + 0.5 - deadzone).floor()

    parameters = codec.entropy_parameters(latents, side, quality_B, round_with_deadzone)
    steps = (
        round_with_deadzone(parameters.offsets).long().clamp(-_MAX_STEPS, _MAX_STEPS) + _MAX_STEPS
    )
    flat = parameters.levels.long() * (2 * _MAX_STEPS + 1) + steps
    counts = torch.bincount(flat.flatten(), minlength=SCALE_LEVELS * (2 * _MAX_STEPS + 1))
    return counts.view(SCALE_LEVELS, -1).double().numpy()


def _build_scale_table(level: int, counts_K: NDArray[np.float64]) -> FrequencyTable:
    """Build a symmetric table from counts and the trained distribution.

    Values beyond the table's end count as the escape.
    """
    scale = float(logistic_scale(torch.tensor(float(level))))
    steps = np.arange(-_MAX_STEPS, _MAX_STEPS + 1, dtype=np.float64)
    upper, lower = (_logistic((steps + half) / scale) for half in (0.5, -0.5))
    smoothed_K = (counts_K + counts_K[::-1]) / 2 + _PRIOR_COUNT * (upper - lower)
    end = min(_MAX_STEPS, 1 + int(np.ceil(-scale * np.log(_TAIL_PROBABILITY))))
    core = smoothed_K[_MAX_STEPS - end : _MAX_STEPS + end + 1]
    outside = smoothed_K.sum() - core.sum() + _PRIOR_COUNT * 2 * _logistic(np.array(-end / scale))
    frequencies = [round(value * 16) for value in (*core, float(outside))]
    return FrequencyTable(lowest=-end, frequencies=scale_counts(frequencies))


def _logistic(x: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -500, 500))))
