"""Pictures packed as JPEGs into one `.npz`: picture i is `jpeg[offset[i]:offset[i + 1]]`."""

from pathlib import Path

import numpy as np
import torch
from torchvision.io import ImageReadMode, decode_jpeg

from training.datasets.base import ImageSplit
from training.errors import DataError

__all__ = ["read_packed"]


def read_packed(paths: list[Path]) -> ImageSplit:
    """The pictures of `paths`, in order, decoded to RGB.

    Raises:
        DataError: when a file is missing, is no such archive, or holds an unreadable picture.
    """
    parts = [_read(path) for path in paths]
    return ImageSplit(
        torch.cat([part.images_NCHW for part in parts]), torch.cat([p.labels_N for p in parts])
    )


def _read(path: Path) -> ImageSplit:
    try:
        with np.load(path, allow_pickle=False) as archive:
            jpeg, offset = torch.from_numpy(archive["jpeg"]), archive["offset"].tolist()
            labels = torch.from_numpy(archive["label"].astype(np.int64))
        spans = list(zip(offset[:-1], offset[1:], strict=True))
        pictures = [
            decode_jpeg(jpeg[start:stop].clone(), ImageReadMode.RGB) for start, stop in spans
        ]
        return ImageSplit(torch.stack(pictures), labels)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist") from None
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise DataError(f"{path} is not a readable archive of JPEGs: {error}") from error
