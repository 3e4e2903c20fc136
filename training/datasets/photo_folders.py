"""Photographs of any size: folders of them, a research data set, and pairs with references."""

from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveInt
from sklearn.datasets import load_sample_images
from torch import Generator, Tensor

from models_store.base import FrozenModel
from training.datasets.data_dir import CachedPath, folder_name, resolve_data_path
from training.datasets.image_files import OnUnreadable, find_image_files, read_image_files
from training.datasets.image_io import read_downscaled_image
from training.datasets.image_patches import PatchData, PatchSplit
from training.errors import DataError


class _PhotoFolders(FrozenModel):
    """Every image in the folders `paths` and their subfolders, at its own size."""

    paths: Annotated[tuple[CachedPath, ...], Field(min_length=1)]
    """Folders. Relative paths are looked up in the working directory, then in the cache."""
    unreadable: OnUnreadable = "stop"
    title: str | None = None
    """Title of the data set. Default: the names of the folders."""
    licence: str = "the user's own images; terms not stated"
    source: str | None = None

    def _read_images(
        self, paths: tuple[CachedPath, ...], longest_side: int | None = None
    ) -> tuple[Tensor, ...]:
        files = [file for path in paths for file in find_image_files(resolve_data_path(path))]
        images_by_file = read_image_files(
            files, lambda file: read_downscaled_image(file, longest_side), self.unreadable
        )
        return tuple(images_by_file.values())

    def _resolved_title(self) -> str:
        return self.title or _folder_names(self.paths)


class ImagePatches(_PhotoFolders):
    """Photographs cut into random patches for training.

    Images below `test_paths` are the test split; without `test_paths`, a share of `paths` is.
    """

    kind: Literal["album"] = "album"
    test_paths: tuple[CachedPath, ...] = ()
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of the images for testing, at least one image; used only without `test_paths`."""
    validation_size: NonNegativeInt = 0
    patch: Annotated[int, Field(ge=8)] = 96
    """Height and width of a patch, in pixels."""
    patches_per_picture: PositiveInt = 4
    """Patches that one epoch takes from each image."""
    longest_side: Annotated[int, Field(ge=8)] = 1024
    """Larger images are reduced to this when they are read. A thousand photographs from a camera
    would otherwise fill the memory, and reduced ones are sharper and less noisy."""
    seed: NonNegativeInt = 0
    """Selects the images that are held out; it affects nothing else."""
    test_title: str | None = None

    def load(self) -> PatchData:
        """Raise DataError, naming the folder or file, if no image can be used."""
        images = PatchSplit(self._read_images(self.paths, self.longest_side))
        order = torch.randperm(len(images), generator=Generator().manual_seed(self.seed))
        title = self._resolved_title()
        if self.test_paths:
            test = PatchSplit(self._read_images(self.test_paths, self.longest_side))
        else:
            count = max(1, round(self.test_fraction * len(images)))
            test, order = images.subset(order[:count]), order[count:]
        train = images.subset(order[self.validation_size :])
        if not len(train):
            raise DataError(f"{title} holds {len(images)} images: too few to train on")
        validation = images.subset(order[: self.validation_size])
        return PatchData(
            title=title,
            test_title=self.test_title or _folder_names(self.test_paths) or title,
            licence=self.licence,
            source=self.source or f"folder {title}",
            patch=self.patch,
            patches_per_epoch=self.patches_per_picture * len(train),
            evenly=True,
            train=train,
            test=test,
            validation=validation if len(validation) else None,
        )


class Scenes(_PhotoFolders):
    """Photographs from which photo codecs are trained; the test split is `sample_images()`."""

    kind: Literal["scenes"] = "scenes"
    crop: PositiveInt = 152
    """Height and width of a patch, in pixels. Smaller photographs are left out."""
    crops_per_epoch: PositiveInt = 2400

    def load(self) -> PatchData:
        """Raise DataError, naming the folder or file, if no image can be used."""
        images = self._read_images(self.paths)
        large = tuple(image for image in images if min(image.shape[1:]) >= self.crop)
        title = self._resolved_title()
        if not large:
            raise DataError(f"no image in {title} has sides of crop ({self.crop}) or more")
        return PatchData(
            title=title,
            test_title="sample photographs of scikit-learn and scikit-image",
            licence=self.licence,
            source=self.source or f"folder {title}",
            patch=self.crop,
            patches_per_epoch=self.crops_per_epoch,
            evenly=False,
            train=PatchSplit(large),
            test=PatchSplit(
                tuple(
                    torch.tensor(image).permute(2, 0, 1).contiguous() for image in sample_images()
                )
            ),
        )


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


def _folder_names(paths: tuple[CachedPath, ...]) -> str:
    return ", ".join(folder_name(resolve_data_path(path)) for path in paths)


class ImagePairs(FrozenModel):
    """A folder with two files for each scene, whose names differ only in their endings."""

    path: CachedPath
    noisy: str = "_real.JPG"
    clean: str = "_mean.JPG"
    """As PolyU's crops are called (Xu et al. 2018, arXiv 1804.02603)."""
    title: str

    def load(self) -> list[tuple[Tensor, Tensor]]:
        """Return each scene's noisy and clean image, uint8 (3, H, W), sorted by name.

        Raises:
            DataError: there are none, or a clean image is missing or of another size.
        """
        folder = resolve_data_path(self.path)
        loaded = []
        for file in sorted(folder.glob(f"*{self.noisy}")):
            clean = file.with_name(file.name.removesuffix(self.noisy) + self.clean)
            if not clean.is_file():
                raise DataError(f"{file} has no {clean.name} beside it")
            pair = read_downscaled_image(file), read_downscaled_image(clean)
            if pair[0].shape != pair[1].shape:
                raise DataError(f"{file} and {clean.name} differ in size")
            loaded.append(pair)
        if not loaded:
            raise DataError(f"{folder} holds no file *{self.noisy}")
        return loaded
