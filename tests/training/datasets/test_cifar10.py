from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from training.datasets.cifar10 import LABELS, Cifar10
from training.errors import DataError

_COLORS = [(250, 10, 10), (10, 250, 10), (10, 10, 250), (128, 128, 128)]


def _write(path: Path, size: int = 32, **replaced: Any) -> None:
    """Write four images of one colour each, packed; `replaced` has arrays to replace."""
    jpegs = []
    for color in _COLORS:
        buffer = BytesIO()
        Image.new("RGB", (size, size), color).save(buffer, "JPEG", quality=95)
        jpegs.append(buffer.getvalue())
    arrays = {
        "jpeg": np.frombuffer(b"".join(jpegs), np.uint8),
        "offset": np.cumsum([0, *map(len, jpegs)]),
        "label": np.array([3, 1, 4, 1]),
    }
    path.parent.mkdir(exist_ok=True)
    np.savez(path, allow_pickle=False, **{**arrays, **replaced})


@pytest.fixture
def root(data_home: Path) -> Path:
    root = data_home / "cifar10"
    for name in ("train-0", "train-1", "test"):
        _write(root / f"{name}.npz")
    return root


def _load(validation_size: int = 0) -> Any:
    return Cifar10.model_validate({"copy": "packed", "validation_size": validation_size}).load()


@pytest.mark.usefixtures("root")
def test_a_packed_copy_is_read_in_order() -> None:
    data = _load()
    assert data.labels == LABELS
    assert data.train.labels_N.tolist() == [3, 1, 4, 1] * 2
    assert data.train.images_NCHW.shape == (8, 3, 32, 32)
    # JPEG keeps a plain colour to within rounding.
    colors = data.test.images_NCHW.double().mean((2, 3))
    torch.testing.assert_close(colors, torch.tensor(_COLORS).double(), atol=2, rtol=0)


@pytest.mark.usefixtures("root")
def test_jpeg_copy_is_named_in_the_title() -> None:
    assert "JPEG copy" in _load().title


@pytest.mark.usefixtures("root")
def test_validation_is_held_out() -> None:
    data = _load(validation_size=3)
    assert (len(data.train), len(data.validation)) == (5, 3)


def test_error_without_any_copy_lists_the_searched_folders(data_home: Path) -> None:
    with pytest.raises(DataError, match=r"cifar10 holds no train-\*\.npz \(DEEPSHELF_DATA names"):
        _load()
    assert not list(data_home.iterdir())


def test_a_missing_test_set_is_named(root: Path) -> None:
    (root / "test.npz").unlink()
    with pytest.raises(DataError, match=r"test\.npz does not exist"):
        _load()


@pytest.mark.parametrize("length", [0, 10, 300, -30])
def test_a_truncated_archive_is_named(root: Path, length: int) -> None:
    path = root / "train-1.npz"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DataError, match=r"train-1\.npz is not a readable archive"):
        _load()


def test_an_archive_with_a_flipped_byte_is_named(root: Path) -> None:
    path = root / "train-1.npz"
    content = bytearray(path.read_bytes())
    content[400] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"train-1\.npz is not a readable archive"):
        _load()


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"jpeg": np.zeros(9000, np.uint8)}, "is not a readable archive of JPEGs: cannot identify"),
        ({"label": np.array([0, 1, 2, 10])}, "holds the label 10; labels are 0 to 9"),
        ({"label": np.array([0, 1, 2])}, "has 3 labels for 4 images"),
        ({"offset": np.array([0])}, "is not a readable archive of JPEGs: need at least one array"),
        ({"size": 16}, r"holds images of shape \(3, 16, 16\), not \(3, 32, 32\)"),
    ],
)
def test_wrong_content_is_named(root: Path, replaced: dict[str, Any], message: str) -> None:
    _write(root / "test.npz", **replaced)
    with pytest.raises(DataError, match=rf"test\.npz {message}"):
        _load()


def test_another_archive_is_named(root: Path) -> None:
    np.savez(root / "test.npz", pixels=np.zeros(3))
    with pytest.raises(DataError, match=r"test\.npz is not an archive of JPEGs: jpeg is"):
        _load()


def test_unwritable_folder_is_an_error_of_one_line(data_home: Path) -> None:
    (data_home / "cifar10").write_text("in the way")
    with pytest.raises(DataError, match="could not be downloaded"):
        Cifar10().load()
