"""A lapped orthogonal transform of colour images, from which the codec's linear layers start.

Shapes: D coefficients a block, C colours, 16 × 16 pixels that a block's functions cover.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import dct
from torch import Tensor

BLOCK = 8
"""Pixels from one block to the next."""
SUPPORT = 2 * BLOCK
"""Pixels that a block's functions cover along one axis, including half of each neighbour."""

_CORRELATION = 0.95
"""Correlation of neighbouring pixels in the image model for which the transform is optimal."""


def lapped_basis() -> NDArray[np.float64]:
    """Return the functions (8, 16) of Malvar and Staelin 1989, "The LOT", lowest frequency first.

    They are orthonormal, also to themselves shifted by multiples of 8. Unlike those of a DCT of the
    same size they overlap, so that coarse quantization leaves no edges between blocks.
    """
    cosines = dct(np.eye(BLOCK), axis=0, norm="ortho")
    even, odd = cosines[0::2], cosines[1::2]
    half = (even - odd) / 2
    mirrored = half[:, ::-1]
    start = np.block([[half, mirrored], [half, -mirrored]])
    distance = np.abs(np.subtract.outer(np.arange(SUPPORT), np.arange(SUPPORT)))
    variances, vectors = np.linalg.eigh(start @ _CORRELATION**distance @ start.T)
    functions: NDArray[np.float64] = (vectors[:, np.argsort(-variances)]).T @ start
    # The sign of an eigenvector is arbitrary; fix it so that the lowest function is positive for
    # bright blocks.
    return functions * np.where(functions[:, BLOCK : BLOCK + 1] < 0, -1.0, 1.0)


def color_transform() -> NDArray[np.float64]:
    """Return an orthonormal (3, 3) transform of RGB: brightness, red – blue, green – magenta."""
    axes = np.array([[1, 1, 1], [1, 0, -1], [-1, 2, -1]], dtype=np.float64)
    matrix: NDArray[np.float64] = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    return matrix


def lapped_kernels(chroma: int) -> tuple[Tensor, Tensor]:
    """Return kernels (D, 3, 16, 16), lowest frequency first, and the frequency of each (D,).

    D is 64 for brightness and the `chroma` lowest of either colour difference. The kernels are
    orthonormal: the transposed convolution with the same kernels reconstructs the image from all of
    them.
    """
    basis, colors = lapped_basis(), color_transform()
    order = np.arange(BLOCK)
    frequency = np.hypot(order[:, None], order[None, :]).ravel()
    chosen = [
        # Half an octave later: the eye, and the sensor, resolve less colour than brightness.
        (frequency[index] * (1 if color == 0 else 1.5), color, index)
        for color in range(3)
        for index in np.argsort(frequency, kind="stable")[: BLOCK**2 if color == 0 else chroma]
    ]
    chosen.sort()
    kernels = [
        np.einsum("c,y,x->cyx", colors[color], basis[index // BLOCK], basis[index % BLOCK])
        for _, color, index in chosen
    ]
    return (
        torch.tensor(np.stack(kernels), dtype=torch.float32),
        torch.tensor([frequency for frequency, *_ in chosen], dtype=torch.float32),
    )
