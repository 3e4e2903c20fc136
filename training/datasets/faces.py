"""Packed, aligned faces of 64×64 pixels."""

from pathlib import Path
from typing import Literal

from pydantic import NonNegativeInt

from models_store.base import FrozenModel
from training.datasets.base import ImageData, split_validation
from training.datasets.data_dir import CachedPath, resolve_data_path
from training.datasets.packed_jpeg import read_packed_splits

_OWN_IMAGES = (
    ". To train on a folder of your own images: --set data='{kind: pictures, path: FOLDER}'"
)


class Faces(FrozenModel):
    """`<path>/train-*.npz` and `<path>/test.npz` of JPEGs without labels (see `packed_jpeg.py`)."""

    kind: Literal["faces"] = "faces"
    path: CachedPath = Path("faces64")
    """Folder. A relative path is looked up in the working directory, then in the cache."""
    validation_size: NonNegativeInt = 0

    def load(self) -> ImageData:
        """Raise DataError if the archives are missing or hold something else."""
        root = resolve_data_path(self.path)
        train, test = read_packed_splits(root, 0, (3, 64, 64), hint=_OWN_IMAGES)
        return split_validation(
            ImageData(
                title="UTKFace, 64×64",
                licence="non-commercial research only (UTKFace)",
                source="https://susanqq.github.io/UTKFace/",
                labels=(),
                train=train,
                test=test,
            ),
            self.validation_size,
        )
