"""A lapped orthogonal transform of colour pictures: where the codec's linear layers begin.

Shapes: D coefficients a block, C colours, 16 × 16 pixels that a block's functions cover.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import dct
from torch import Tensor

__all__ = ["BLOCK", "SUPPORT", "colour_transform", "lapped_basis", "lapped_kernels"]

BLOCK = 8
"""Pixels from one block to the next."""
SUPPORT = 2 * BLOCK
"""Pixels that a block's functions cover, one way: half of the neighbours on either side."""

_CORRELATION = 0.95
"""Of neighbouring pixels in a photograph: the model for which the transform is the best one."""


def lapped_basis() -> NDArray[np.float64]:
    """The functions (8, 16) of Malvar and Staelin 1989, "The LOT", lowest frequency first.

    Orthonormal, also to themselves moved by multiples of 8. Against a DCT of the same size they
    overlap, so that coarse quantising leaves no edges between blocks.
    """
    cosines = dct(np.eye(BLOCK), axis=0, norm="ortho")
    even, odd = cosines[0::2], cosines[1::2]
    half = (even - odd) / 2
    mirrored = half[:, ::-1]
    start = np.block([[half, mirrored], [half, -mirrored]])
    distance = np.abs(np.subtract.outer(np.arange(SUPPORT), np.arange(SUPPORT)))
    variances, vectors = np.linalg.eigh(start @ _CORRELATION**distance @ start.T)
    functions: NDArray[np.float64] = (vectors[:, np.argsort(-variances)]).T @ start
    # An eigenvector has either sign: the lowest function then means brightness, not darkness.
    return functions * np.where(functions[:, BLOCK : BLOCK + 1] < 0, -1.0, 1.0)


def colour_transform() -> NDArray[np.float64]:
    """Orthonormal (3, 3) from RGB: brightness, red – blue, green – magenta."""
    axes = np.array([[1, 1, 1], [1, 0, -1], [-1, 2, -1]], dtype=np.float64)
    matrix: NDArray[np.float64] = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    return matrix


def lapped_kernels(chroma: int) -> tuple[Tensor, Tensor]:
    """Kernels (D, 3, 16, 16), lowest frequency first, and each one's frequency (D,).

    D is 64 of brightness and the `chroma` lowest of either colour difference. Orthonormal: the
    transposed convolution with the same kernels brings back what they keep.
    """
    basis, colours = lapped_basis(), colour_transform()
    order = np.arange(BLOCK)
    frequency = np.hypot(order[:, None], order[None, :]).ravel()
    chosen = [
        # Half an octave later: the eye, and the sensor, resolve less colour than brightness.
        (frequency[index] * (1 if colour == 0 else 1.5), colour, index)
        for colour in range(3)
        for index in np.argsort(frequency, kind="stable")[: BLOCK**2 if colour == 0 else chroma]
    ]
    chosen.sort()
    kernels = [
        np.einsum("c,y,x->cyx", colours[colour], basis[index // BLOCK], basis[index % BLOCK])
        for _, colour, index in chosen
    ]
    return (
        torch.tensor(np.stack(kernels), dtype=torch.float32),
        torch.tensor([frequency for frequency, *_ in chosen], dtype=torch.float32),
    )
