"""Noisy photographs with clean references, for evaluation only."""

from torch import Tensor

from models_store.base import FrozenModel
from training.datasets.data_dir import CachedPath, resolve_data_path
from training.datasets.image_io import read_downscaled_image
from training.errors import DataError


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
