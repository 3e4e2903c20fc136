"""Images packed as JPEGs into one `.npz`: image i is `jpeg[offset[i]:offset[i + 1]]`."""

import zlib
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from PIL import Image

from training.datasets.base import ImageSplit, concatenate, validate_split
from training.errors import DataError


def read_packed_splits(
    root: Path, classes: int, shape_CHW: tuple[int, int, int], hint: str = ""
) -> tuple[ImageSplit, ImageSplit]:
    """Return the training images in `root/train-*.npz` and the test images in `root/test.npz`.

    Without `classes`, the archives have no labels.

    Raises:
        DataError: an archive is missing or holds something else; `hint` ends the message.
    """
    shards = sorted(root.glob("train-*.npz"))
    if not shards:
        raise DataError(f"{root} holds no train-*.npz (DEEPSHELF_DATA names the data folder){hint}")
    *train, test = (
        validate_split(read_packed_jpegs(path, classes > 0), path, max(1, classes), shape_CHW)
        for path in (*shards, root / "test.npz")
    )
    return concatenate(train), test


def read_packed_jpegs(path: Path, labelled: bool = True) -> ImageSplit:
    """Return the images of one archive, in order, decoded to RGB, with the labels in `label`.

    Without `labelled`, each image gets the label 0.

    Raises:
        DataError: the file is missing, is no such archive, or holds an unreadable image.
    """
    try:
        # Open the file here, because numpy leaves a file open that is no archive.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            jpeg = memoryview(archive["jpeg"])
            offset: list[int] = archive["offset"].tolist()
            label = archive["label"] if labelled else np.zeros(len(offset) - 1)
            labels_N = torch.from_numpy(label.astype(np.int64))
        images = [_decode(jpeg[start:stop]) for start, stop in pairwise(offset)]
        images_NCHW = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
    except FileNotFoundError:
        raise DataError(f"{path} does not exist") from None
    except KeyError as error:
        raise DataError(f"{path} is not an archive of JPEGs: {error.args[0]}") from error
    except (OSError, ValueError, TypeError, BadZipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path} is not a readable archive of JPEGs: {error}") from error
    return ImageSplit(images_NCHW, labels_N)


def _decode(jpeg: memoryview) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with Image.open(BytesIO(jpeg), formats=["JPEG"]) as image:
        return np.array(image.convert("RGB"))
