from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.datasets.faces import Faces
from training.errors import DataError


def _write(path: Path, grays: list[int], size: int = 64) -> None:
    jpegs = []
    for gray in grays:
        buffer = BytesIO()
        Image.new("RGB", (size, size), (gray,) * 3).save(buffer, "JPEG")
        jpegs.append(buffer.getvalue())
    path.parent.mkdir(exist_ok=True)
    jpeg = np.frombuffer(b"".join(jpegs), np.uint8)
    np.savez(path, allow_pickle=False, jpeg=jpeg, offset=np.cumsum([0, *map(len, jpegs)]))


@pytest.fixture
def root(data_home: Path) -> Path:
    root = data_home / "faces64"
    _write(root / "train-0.npz", [10, 20])
    _write(root / "train-1.npz", [30])
    _write(root / "test.npz", [40])
    return root


@pytest.mark.usefixtures("root")
def test_archives_without_labels_are_read_in_order() -> None:
    data = Faces().load()
    assert [int(image[0, 5, 5]) for image in data.train.images_NCHW] == [10, 20, 30]
    assert data.size_HW == (64, 64)
    assert data.labels == ()
    assert len(data.test) == 1
    assert "non-commercial" in data.licence


def test_a_folder_elsewhere_can_be_named(root: Path, tmp_path: Path) -> None:
    root.rename(tmp_path / "mine")
    assert len(Faces(path=tmp_path / "mine", validation_size=1).load().train) == 2


def test_missing_archives_and_other_sizes_are_named_in_the_error(data_home: Path) -> None:
    with pytest.raises(DataError, match=r"no train-\*\.npz.*kind: pictures"):
        Faces().load()
    _write(data_home / "faces64" / "train-0.npz", [1], size=32)
    with pytest.raises(DataError, match=r"train-0\.npz holds images of shape \(3, 32, 32\)"):
        Faces().load()
