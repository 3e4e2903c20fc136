"""The tables of a codec of photographs: how far latents really lie from what is expected of them.

Shapes: L levels, K values from -K/2 to K/2 - 1.
"""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models_store.compression.factorized import Table
from models_store.compression.hyperprior import LATENT_UNIT, LevelTables
from training.networks.photo_codec import PhotoCodec
from training.networks.photo_codec.network import spread
from training.networks.photo_codec.prior import LEVELS, SIDE
from training.publish.compression.frequency_tables import scaled

__all__ = ["level_tables"]

_MOST = 126
"""Farther off than this, in steps, is written beside the tables."""
_TAIL = 2.0**-14
"""A table ends where the distribution that it was trained as has less than this left."""
_PRIOR_COUNT = 2000.0
"""How much that distribution counts beside what was counted: a level may be rare."""


def level_tables(
    codec: PhotoCodec, pictures: Iterable[Tensor], deadzone: int, certain: int
) -> LevelTables:
    """Count over `pictures` (3, H, W uint8), at every quality, as an encoder would code them."""
    counts_LK = np.zeros((LEVELS, 2 * _MOST + 1))
    with torch.inference_mode():
        for picture in pictures:
            for quality in range(codec.config.qualities):
                counts_LK += _counted(codec, picture, quality, deadzone / LATENT_UNIT)
    means, levels = codec.side_expected()
    return LevelTables(
        tables=tuple(_table(level, counts) for level, counts in enumerate(counts_LK)),
        certain=certain,
        deadzone=deadzone,
        side_levels=tuple(map(tuple, levels.int().tolist())),
        side_means=tuple(map(tuple, means.int().tolist())),
    )


def _counted(
    codec: PhotoCodec, picture: Tensor, quality: int, deadzone: float
) -> NDArray[np.float64]:
    height, width = (size // 8 * 8 for size in picture.shape[1:])
    images = picture[None, :, :height, :width].float() / 255
    quality_B = torch.tensor([quality])
    latents = codec.encode(images, quality_B)
    side = codec.side(latents).round().clamp(-SIDE, SIDE)

    def rounded(x: Tensor) -> Tensor:
        return x.sign() * (x.abs() + 0.5 - deadzone).floor()

    expected = codec.expected(latents, side, quality_B, rounded)
    steps = rounded(expected.offsets).long().clamp(-_MOST, _MOST) + _MOST
    flat = expected.levels.long() * (2 * _MOST + 1) + steps
    counts = torch.bincount(flat.flatten(), minlength=LEVELS * (2 * _MOST + 1))
    return counts.view(LEVELS, -1).double().numpy()


def _table(level: int, counts_K: NDArray[np.float64]) -> Table:
    """Counted and expected together; symmetric, since no picture is more likely than its negative.

    What lies beyond the table's end counts as the escape.
    """
    scale = float(spread(torch.tensor(float(level))))
    steps = np.arange(-_MOST, _MOST + 1, dtype=np.float64)
    upper, lower = (_logistic((steps + half) / scale) for half in (0.5, -0.5))
    both_K = (counts_K + counts_K[::-1]) / 2 + _PRIOR_COUNT * (upper - lower)
    end = min(_MOST, 1 + int(np.ceil(-scale * np.log(_TAIL))))
    kept = both_K[_MOST - end : _MOST + end + 1]
    outside = both_K.sum() - kept.sum() + _PRIOR_COUNT * 2 * _logistic(np.array(-end / scale))
    whole = [round(value * 16) for value in (*kept, float(outside))]
    return Table(lowest=-end, frequencies=scaled(whole))


def _logistic(x: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -500, 500))))
