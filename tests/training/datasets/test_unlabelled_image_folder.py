from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from training.datasets.unlabelled_image_folder import UnlabelledImageFolder
from training.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "album"
    for index, place in enumerate(("a.png", "b.jpg", "deeper/c.png", "deeper/still/d.png")):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 20), (10 * (index + 1),) * 3).save(root / place)
    (root / ".hidden").mkdir()
    Image.new("RGB", (8, 8)).save(root / ".hidden" / "e.png")
    (root / "notes.txt").write_text("no image")
    return root


def _load(folder: Path, **settings: Any) -> Any:
    return UnlabelledImageFolder.model_validate(
        {"path": folder, "size": [16, 16], **settings}
    ).load()


def test_every_image_in_it_and_in_its_folders_is_read(folder: Path) -> None:
    data = _load(folder, test_fraction=0.25)
    assert (len(data.train), len(data.test), data.size_HW) == (3, 1, (16, 16))
    greys = [int(image[0, 8, 8]) for part in (data.train, data.test) for image in part.images_NCHW]
    assert sorted(greys) == [10, 20, 30, 40]
    assert (data.title, data.labels) == ("album", ())


def test_the_split_is_chosen_by_the_seed_alone(folder: Path) -> None:
    assert _load(folder).train.sha256 == _load(folder).train.sha256
    hashes = {_load(folder, seed=seed).train.sha256 for seed in range(6)}
    assert len(hashes) > 1


def test_grey_images_have_one_channel(folder: Path) -> None:
    assert _load(folder, mode="L").channels == 1


def test_unusable_folders_are_named_in_the_error(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty holds no images"):
        _load(tmp_path / "empty")
    with pytest.raises(DataError, match="nowhere is not a folder"):
        _load(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"still holds 1 images: too few"):
        _load(folder / "deeper" / "still")
    (folder / "broken.png").write_bytes(b"no png")
    with pytest.raises(DataError, match=r"broken\.png cannot be read"):
        _load(folder)
    assert len(_load(folder, unreadable="skip").train) == 3
