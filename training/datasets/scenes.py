"""Whole photographs of any size, from which photo codecs are trained crop by crop.

Shapes: B crops of S × S pixels; an image is uint8 (3, H, W).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field, PositiveInt, SerializationInfo, field_serializer
from sklearn.datasets import load_sample_images
from torch import Generator, Tensor

from models_store.base import FrozenModel
from models_store.manifest import DataSource
from training.datasets.class_folders import OnUnreadable, read_image_files
from training.datasets.data_dir import resolve_data_path
from training.datasets.image_io import list_image_files
from training.datasets.path_redaction import folder_name, redact_cached_path
from training.errors import DataError

__all__ = ["CropBatches", "SceneData", "Scenes", "sample_images"]


@dataclass(frozen=True)
class SceneData:
    """Whole photographs in memory; `test` is used for metrics only."""

    title: str
    licence: str
    source: str
    train: tuple[Tensor, ...]
    test: tuple[Tensor, ...]
    crop: int
    crops_per_epoch: int

    def to_data_source(self) -> DataSource:
        """Return the manifest's entry, with the hash of the training pixels."""
        digest = hashlib.sha256()
        for image in self.train:
            digest.update(str(tuple(image.shape)).encode())
            digest.update(image.numpy().tobytes())
        return DataSource(
            title=self.title,
            source=self.source,
            licence=self.licence,
            sha256=digest.hexdigest(),
            n=len(self.train),
        )


class Scenes(FrozenModel):
    """Every image in the folders `paths`, unchanged; the test split is `sample_images()`."""

    kind: Literal["scenes"] = "scenes"
    paths: Annotated[tuple[Path, ...], Field(min_length=1)]
    """Folders. Relative paths are looked up in the working directory, then in the cache."""
    crop: PositiveInt = 152
    crops_per_epoch: PositiveInt = 2400
    unreadable: OnUnreadable = "stop"
    title: str | None = None
    """Title of the data set. Default: the name of the first folder."""
    licence: str = "the user's own pictures; terms not stated"
    source: str | None = None

    @field_serializer("paths")
    def _serialize_paths(self, paths: tuple[Path, ...], info: SerializationInfo) -> list[str]:
        return [redact_cached_path(path, info) for path in paths]

    def load(self) -> SceneData:
        """Raise DataError, naming the folder or file, if no image can be used."""
        roots = [resolve_data_path(path) for path in self.paths]
        files = [file for root in roots for file in _list_files(root)]
        images = tuple(read_image_files(files, _read_image, self.unreadable).values())
        large = tuple(image for image in images if min(image.shape[1:]) >= self.crop)
        if not large:
            raise DataError(f"no image in {roots[0]} has sides of crop ({self.crop}) or more")
        title = self.title or folder_name(roots[0])
        return SceneData(
            title=title,
            licence=self.licence,
            source=self.source or f"folder {title}",
            train=large,
            test=tuple(_channels_first(image) for image in sample_images()),
            crop=self.crop,
            crops_per_epoch=self.crops_per_epoch,
        )


class CropBatches:
    """Iterate over uint8 (B, 3, S, S): random crops of random images, flipped and transposed.

    The batches depend only on the generator's seed.
    """

    def __init__(self, data: SceneData, batch_size: int, generator: Generator) -> None:
        self._data, self._batch_size, self._generator = data, batch_size, generator

    def __len__(self) -> int:
        return max(1, self._data.crops_per_epoch // self._batch_size)

    def __iter__(self) -> Iterator[Tensor]:
        for _ in range(len(self)):
            yield torch.stack([self._random_crop() for _ in range(self._batch_size)])

    def _random_crop(self) -> Tensor:
        side = self._data.crop
        image = self._data.train[self._random_below(len(self._data.train))]
        top, left = (self._random_below(size - side + 1) for size in image.shape[1:])
        crop = image[:, top : top + side, left : left + side]
        transform = self._random_below(8)
        axes = [axis for axis, chosen in ((1, transform & 1), (2, transform & 2)) if chosen]
        crop = crop.flip(axes)
        return crop.transpose(1, 2) if transform & 4 else crop

    def _random_below(self, limit: int) -> int:
        return int(torch.randint(limit, (), generator=self._generator))


def sample_images() -> list[NDArray[np.uint8]]:
    """Return photographs (H, W, 3): two of scikit-learn, and four of scikit-image if installed."""
    images: list[NDArray[np.uint8]] = list(load_sample_images().images)
    try:
        from skimage import data
    except ImportError:
        return images
    names = ("astronaut", "chelsea", "coffee", "stereo_motorcycle")
    astronaut, chelsea, coffee, (left, *_) = (getattr(data, name)() for name in names)
    return [*images, astronaut, chelsea, coffee, left]


def _list_files(root: Path) -> list[Path]:
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; data.paths must be folders of images")
    return list_image_files(root)


def _read_image(file: Path) -> Tensor:
    try:
        with Image.open(file) as image:
            return _channels_first(np.asarray(image.convert("RGB")))
    except (OSError, ValueError, SyntaxError) as error:
        raise ValueError(str(error) or type(error).__name__) from error


def _channels_first(image_HWC: NDArray[np.uint8]) -> Tensor:
    return torch.tensor(image_HWC).permute(2, 0, 1).contiguous()
