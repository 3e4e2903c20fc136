"""MNIST (LeCun et al. 1998) and Fashion-MNIST (Xiao et al. 2017, arXiv 1708.07747).

Both are 60,000 + 10,000 grey images of 28×28 in ten classes, in the same four files.
"""

import gzip
import zlib
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import NonNegativeInt
from torch import Tensor
from torchvision import datasets

from models_store.base import FrozenModel
from training.datasets.base import ImageData, ImageSplit, split_validation, validate_split
from training.datasets.data_dir import data_dir
from training.errors import DataError

_FILES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
_UINT8 = 0x08


class _IdxImages(FrozenModel):
    """Grey images of 28×28, read from local files if present, else downloaded into the cache."""

    validation_size: NonNegativeInt = 0

    title: ClassVar[str]
    licence: ClassVar[str]
    source: ClassVar[str]
    labels: ClassVar[tuple[str, ...]]
    folder: ClassVar[str]
    """Folder below the cache."""
    torchvision_class: ClassVar[type[datasets.MNIST]]
    """torchvision's class, which has the mirrors and checksums."""
    system_folders: ClassVar[tuple[Path, ...]] = ()

    def load(self) -> ImageData:
        """Raise DataError if the data is neither found nor downloadable, or is damaged."""
        root = data_dir() / self.folder
        torchvision_folder = root / self.torchvision_class.__name__ / "raw"
        local_files = find_files((root, root / "raw", torchvision_folder, *self.system_folders))
        files = local_files or download(self.torchvision_class, root)
        data = ImageData(
            title=self.title,
            licence=self.licence,
            source=self.source,
            labels=self.labels,
            train=_read_split(files[0], files[1]),
            test=_read_split(files[2], files[3]),
        )
        return split_validation(data, self.validation_size)


class Mnist(_IdxImages):
    """Handwritten digits."""

    kind: Literal["mnist"] = "mnist"

    title = "MNIST"
    licence = "no explicit licence from its authors; cite LeCun et al. 1998"
    source = "http://yann.lecun.com/exdb/mnist/"
    labels = tuple("0123456789")
    folder = "mnist"
    torchvision_class = datasets.MNIST


class FashionMnist(_IdxImages):
    """Images of clothes, harder than the digits."""

    kind: Literal["fashion-mnist"] = "fashion-mnist"

    title = "Fashion-MNIST"
    licence = "MIT"
    source = "https://github.com/zalandoresearch/fashion-mnist"
    labels = tuple(datasets.FashionMNIST.classes)
    folder = "fashion-mnist"
    torchvision_class = datasets.FashionMNIST
    # Debian's package dataset-fashion-mnist
    system_folders = (Path("/usr/share/datasets/fashion-mnist"),)


def find_files(folders: tuple[Path, ...]) -> list[Path] | None:
    """Return the four files, compressed or not, of the first folder that has all of them."""
    for folder in folders:
        candidates = [(folder / f"{name}-ubyte.gz", folder / f"{name}-ubyte") for name in _FILES]
        files = [next((path for path in pair if path.is_file()), None) for pair in candidates]
        complete = [path for path in files if path is not None]
        if len(complete) == len(_FILES):
            return complete
    return None


def download(source: type[datasets.MNIST], root: Path) -> list[Path]:
    """Download the four files to `root` and verify their checksums.

    Raises:
        DataError: `root` cannot be written to, no mirror responds, or a checksum differs.
    """
    try:
        raw = Path(source(root, download=True).raw_folder)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"{source.__name__} is not under {root} (DEEPSHELF_DATA names the data folder) and "
            f"could not be downloaded: {error}. Put its four files *-ubyte.gz of "
            f"{source.mirrors[0]} into {root / source.__name__ / 'raw'}"
        ) from error
    return [raw / f"{name}-ubyte.gz" for name in _FILES]


def _read_split(images: Path, labels: Path) -> ImageSplit:
    split = ImageSplit(read_idx(images, axes=3)[:, None], read_idx(labels, axes=1).long())
    return validate_split(split, images, classes=10, shape_CHW=(1, 28, 28))


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
