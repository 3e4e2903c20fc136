"""A cache of pooled features on disk, one row per image, so that a head trains in seconds.

The key of a row is a hash of the pixels, and the key of a file identifies the weights, so that no
row can be stale: another photograph, size or resize rule changes the pixels. Adding ten photographs
to a thousand computes ten rows.
"""

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_BATCH = 64


class FeatureCache:
    """A cache in the file `folder/<key>.npz`.

    A file that cannot be read is computed again; a failed write is ignored.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._path = folder / f"{key}.npz"
        self._rows = _read_rows(self._path)

    def __call__(self, images_NCHW: Tensor, compute: Callable[[Tensor], Tensor]) -> Tensor:
        """Return float32 features (N, C), computed by `compute` for images without a cached row."""
        names = [_digest(image) for image in images_NCHW]
        # Keyed by hash, so that a duplicate image is computed once.
        missing = {name: index for index, name in enumerate(names) if name not in self._rows}
        for start in range(0, len(missing), _BATCH):
            batch = dict(list(missing.items())[start : start + _BATCH])
            rows = compute(images_NCHW[list(batch.values())])
            self._rows |= dict(zip(batch, rows.float().cpu().numpy(), strict=True))
        if missing:
            self._write()
        return torch.from_numpy(np.stack([self._rows[name] for name in names]))

    def _write(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle, partial = tempfile.mkstemp(".partial", dir=self._path.parent)
            with os.fdopen(handle, "wb") as file:
                np.savez(file, names=list(self._rows), rows=np.stack(list(self._rows.values())))
            Path(partial).replace(self._path)
        except OSError:
            return  # a read-only or full disk costs time, not the run


def _read_rows(path: Path) -> dict[str, NDArray[np.float32]]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            names: list[str] = archive["names"].tolist()
            return dict(zip(names, archive["rows"].astype(np.float32), strict=True))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return {}


def _digest(image_CHW: Tensor) -> str:
    digest = hashlib.sha256(str(tuple(image_CHW.shape)).encode())
    digest.update(image_CHW.numpy().tobytes())
    return digest.hexdigest()
