import gzip
import hashlib
import struct
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from numpy.typing import NDArray
from torchvision import datasets

from training.datasets.base import ImageData
from training.datasets.mnist import FashionMnist, Mnist, download, find_files
from training.errors import DataError

_NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def _idx(array: NDArray[np.uint8]) -> bytes:
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.tobytes()


def _arrays(first: int = 0) -> dict[str, NDArray[np.uint8]]:
    """Write six training and four test images; `first` distinguishes copies."""
    pixels = np.random.default_rng(first).integers(256, size=(10, 28, 28), dtype=np.uint8)
    labels = np.arange(first, first + 10, dtype=np.uint8) % 10
    return dict(zip(_NAMES, (pixels[:6], labels[:6], pixels[6:], labels[6:]), strict=True))


def _write(folder: Path, first: int = 0, compressed: bool = True) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in _arrays(first).items():
        if compressed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(_idx(array)))
        else:
            (folder / name).write_bytes(_idx(array))


def _is_copy(data: ImageData, first: int) -> bool:
    arrays = _arrays(first)
    return (
        np.array_equal(data.train.images_NCHW[:, 0].numpy(), arrays[_NAMES[0]])
        and np.array_equal(data.train.labels_N.numpy(), arrays[_NAMES[1]])
        and np.array_equal(data.test.images_NCHW[:, 0].numpy(), arrays[_NAMES[2]])
        and np.array_equal(data.test.labels_N.numpy(), arrays[_NAMES[3]])
    )


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("folder", ["mnist", "mnist/raw", "mnist/MNIST/raw"])
def test_mnist_is_found_flat_and_as_torchvision_lays_it(
    data_home: Path, folder: str, compressed: bool
) -> None:
    _write(data_home / folder, compressed=compressed)
    before = sorted(data_home.rglob("*"))
    data = Mnist(validation_size=2).load()
    assert (len(data.train), len(data.test), data.channels, data.size_HW) == (4, 4, 1, (28, 28))
    assert _is_copy(Mnist().load(), 0)
    assert sorted(data_home.rglob("*")) == before


def test_fashion_mnist_is_another_data_set(data_home: Path) -> None:
    _write(data_home / "mnist", first=0)
    _write(data_home / "fashion-mnist", first=1)
    data = FashionMnist().load()
    assert _is_copy(data, 1)
    assert (data.title, data.licence, data.labels[9]) == ("Fashion-MNIST", "MIT", "Ankle boot")
    assert FashionMnist(validation_size=1).load().validation is not None


def test_a_folder_that_lacks_a_file_is_passed_over(tmp_path: Path) -> None:
    _write(tmp_path / "half")
    (tmp_path / "half" / f"{_NAMES[3]}.gz").unlink()
    _write(tmp_path / "whole")
    assert find_files((tmp_path / "half",)) is None
    files = find_files((tmp_path / "half", tmp_path / "whole"))
    assert files == [tmp_path / "whole" / f"{name}.gz" for name in _NAMES]


def _damage(path: Path, content: bytes) -> None:
    path.with_suffix(path.suffix + ".gz").write_bytes(gzip.compress(content))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (_NAMES[0], _idx(np.zeros((6, 28, 28), np.uint8))[:-1], "is damaged: 4703 bytes of values"),
        (_NAMES[0], _idx(np.zeros((6, 28), np.uint8)), "is not an idx file of bytes with 3 axes"),
        (_NAMES[0], b"\x00\x00", "is not an idx file of bytes with 3 axes"),
        (
            _NAMES[2],
            _idx(np.zeros((4, 8, 8), np.uint8)),
            r"of shape \(1, 8, 8\), not \(1, 28",
        ),
        (_NAMES[1], _idx(np.full(6, 10, np.uint8)), "holds the label 10; labels are 0 to 9"),
        (_NAMES[3], _idx(np.zeros(5, np.uint8)), "has 5 labels for 4 images"),
    ],
)
def test_wrong_content_is_named(data_home: Path, name: str, content: bytes, message: str) -> None:
    folder = data_home / "mnist"
    _write(folder)
    _damage(folder / name, content)
    split = name.split("-", maxsplit=1)[0]
    with pytest.raises(DataError, match=rf"mnist/{split}-\w+-idx\d-ubyte\.gz .*{message}"):
        Mnist().load()


@pytest.mark.parametrize("length", [0, 5, 40, -4])
def test_a_truncated_file_is_named(data_home: Path, length: int) -> None:
    folder = data_home / "mnist"
    _write(folder)
    path = folder / f"{_NAMES[2]}.gz"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte\.gz is (damaged|not an idx file)"):
        Mnist().load()


def test_unwritable_folder_is_an_error_of_one_line(data_home: Path) -> None:
    (data_home / "mnist").write_text("in the way")
    with pytest.raises(DataError, match=r"MNIST is not under .* and could not be downloaded"):
        Mnist().load()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the base's name
        pass


@pytest.fixture
def mirrored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[datasets.MNIST]]:
    """Point torchvision's fetcher at a mirror of `tmp_path / "mirror"` on the loopback."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    folder = tmp_path / "mirror"
    _write(folder)
    checksums = [
        (name, hashlib.md5((folder / name).read_bytes(), usedforsecurity=False).hexdigest())
        for name in (f"{name}.gz" for name in _NAMES)
    ]
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        yield type("Mirrored", (datasets.MNIST,), {"mirrors": [address], "resources": checksums})
        server.shutdown()


def test_downloaded_files_are_read(tmp_path: Path, mirrored: type[datasets.MNIST]) -> None:
    files = download(mirrored, tmp_path / "cache")
    assert files == find_files((tmp_path / "cache" / "Mirrored" / "raw",))
    assert [path.read_bytes() for path in files] == [
        (tmp_path / "mirror" / path.name).read_bytes() for path in files
    ]


def test_a_wrong_checksum_is_rejected(tmp_path: Path, mirrored: type[datasets.MNIST]) -> None:
    (tmp_path / "mirror" / f"{_NAMES[1]}.gz").write_bytes(gzip.compress(b"another"))
    with pytest.raises(DataError, match=r"(?s)could not be downloaded: .*corrupted"):
        download(mirrored, tmp_path / "cache")
