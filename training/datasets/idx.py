"""The idx format of MNIST and its relatives: a big-endian header of sizes, then raw bytes."""

import gzip
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.errors import DataError

_UINT8 = 0x08


def read_idx(path: Path, axes: int) -> Tensor:
    """Return the uint8 array with `axes` axes in `path`, which may be compressed (`.gz`).

    Raises:
        DataError: the file is missing, truncated, or not of the idx format.
    """
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist") from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is damaged: {error}") from error
    start = 4 * (1 + axes)
    # Two zero bytes, the type of the values, the number of axes, then each axis's length.
    if len(content) < start or content[:4] != bytes((0, 0, _UINT8, axes)):
        raise DataError(f"{path} is not an idx file of bytes with {axes} axes")
    sizes = np.frombuffer(content, ">u4", axes, offset=4).astype(np.int64)
    if len(content) - start != sizes.prod():
        raise DataError(
            f"{path} is damaged: {len(content) - start} bytes of values, where its header "
            f"states {sizes.prod()}"
        )
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=start).view(
        *sizes.tolist()
    )
