"""Packed, aligned faces of 64×64 pixels."""

from pathlib import Path
from typing import Literal

import torch
from pydantic import NonNegativeInt

from models_store.base import FrozenModel
from training.datasets.base import ImageData, ImageSplit, split_validation, validate_split
from training.datasets.data_dir import resolve_data_path
from training.datasets.packed_jpeg import read_packed_jpegs
from training.datasets.path_redaction import CachedPath
from training.errors import DataError

_SHAPE_CHW = (3, 64, 64)


class Faces(FrozenModel):
    """`<path>/train-*.npz` and `<path>/test.npz` of JPEGs without labels (see `packed_jpeg.py`)."""

    kind: Literal["faces"] = "faces"
    path: CachedPath = Path("faces64")
    """Folder. A relative path is looked up in the working directory, then in the cache."""
    validation_size: NonNegativeInt = 0

    def load(self) -> ImageData:
        """Raise DataError if the archives are missing or hold something else."""
        root = resolve_data_path(self.path)
        shards = sorted(root.glob("train-*.npz"))
        if not shards:
            raise DataError(
                f"{root} holds no train-*.npz (DEEPSHELF_DATA names the data folder). To train "
                "on a folder of your own images: --set data='{kind: pictures, path: FOLDER}'"
            )
        train = torch.cat([_read(shard).images_NCHW for shard in shards])
        return split_validation(
            ImageData(
                title="UTKFace, 64×64",
                licence="non-commercial research only (UTKFace)",
                source="https://susanqq.github.io/UTKFace/",
                labels=(),
                train=ImageSplit(train, torch.zeros(len(train), dtype=torch.int64)),
                test=_read(root / "test.npz"),
            ),
            self.validation_size,
        )


def _read(path: Path) -> ImageSplit:
    return validate_split(read_packed_jpegs(path, labelled=False), path, 1, _SHAPE_CHW)
