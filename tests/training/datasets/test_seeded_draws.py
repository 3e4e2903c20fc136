"""The data sets of folders draw the same splits and batches as when models were published.

The hashes were recorded before the data sets shared their code. A change of one of them means that
a published recipe no longer trains on the same batches, and that a resumed run mixes its splits.
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import TypeAdapter

from training.config.recipe import load_recipe
from training.datasets import DataConfig
from training.engine.trainer import prepare

SMALL_NETWORKS = {
    "codec-photo": ("chroma=4", "groups=[8, 16]", "hidden=8", "prior_hidden=8", "features=4"),
    "denoiser-photo": ("widths=[8, 8]", "blocks=[1, 1]"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write two classes of seven images, each larger than a patch of any recipe."""
    root = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(7)
    for index in range(14):
        pixels = random.integers(0, 256, (160 + index, 190 - index, 3), np.uint8)
        path = root / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path)
    return root


@pytest.mark.parametrize(
    ("name", "first_batch"),
    [("codec-photo", "3c1bd956c1fee060"), ("denoiser-photo", "2726ce55e11737b1")],
)
def test_first_batch_of_a_published_recipe_is_unchanged(
    folder: Path, name: str, first_batch: str
) -> None:
    paths = f"data.paths=[{folder / 'a'}, {folder / 'b'}]"
    network = [f"network.{value}" for value in SMALL_NETWORKS[name]]
    other = {
        "codec-photo": ("network.side=4", "network.qualities=3", "data.crop=64"),
        "denoiser-photo": (f"data.test_paths=[{folder / 'a'}]", "start_from=null"),
    }
    recipe = load_recipe(name, (paths, *network, *other[name]))
    _, task = prepare(recipe, accelerator="cpu")
    batch = next(iter(task.batches(1)))
    assert hashlib.sha256(batch.numpy().tobytes()).hexdigest()[:16] == first_batch


@pytest.mark.parametrize(
    ("config", "train", "test"),
    [
        ({"kind": "photos", "held_out": 1}, "3c3a903af28b4dac", "fb63500aba3908e4"),
        ({"kind": "folder", "validation_size": 3}, "471bb8e3a759742f", "a89a0069137487f1"),
        ({"kind": "pictures", "validation_size": 3}, "85e8422c0ba78b76", "f252f6f32d5362d9"),
        ({"kind": "album", "validation_size": 3}, "d34915b2ebdd2886", "49c171cfc8c992ec"),
    ],
)
def test_splits_of_a_seed_are_unchanged(
    folder: Path, tmp_path: Path, config: dict[str, Any], train: str, test: str
) -> None:
    for file in folder.rglob("*.png"):
        target = tmp_path / file.relative_to(folder)
        target.parent.mkdir(exist_ok=True)
        with Image.open(file) as image:  # of the size that is read, so that nothing is resized
            image.crop((0, 0, 32, 32)).save(target)
    where = {"paths": [tmp_path]} if config["kind"] in {"photos", "album"} else {"path": tmp_path}
    size = {"photos": {"size": 32}, "album": {}}.get(config["kind"], {"size": [32, 32]})
    data = TypeAdapter[Any](DataConfig).validate_python({**config, **where, **size}).load()
    assert [data.train.sha256[:16], data.test.sha256[:16]] == [train, test]
