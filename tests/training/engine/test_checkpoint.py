import json
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from tests.training.tiny import recipe
from training.engine import checkpoint
from training.errors import CheckpointError

_PROGRESS: dict[str, Any] = {"epoch": 3, "log": [{"epoch": 1.0, "train_loss": 0.5}], "best": None}


@pytest.fixture
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def _save(fabric: Fabric, path: Path, **changes: Any) -> nn.Module:
    network = nn.Linear(2, 3)
    checkpoint.save_checkpoint(fabric, path, recipe(**changes), {"network": network}, _PROGRESS)
    return network


def _edit(path: Path, **fields: Any) -> None:
    """Rewrite what a checkpoint says of its recipe."""
    content = torch.load(path)
    saved = {**json.loads(content["recipe"]), **fields}
    fields = {name: value for name, value in saved.items() if value is not None}
    torch.save({**content, "recipe": json.dumps(fields)}, path)


def test_checkpoint_is_restored_in_place(fabric: Fabric, tmp_path: Path) -> None:
    saved, restored = _save(fabric, tmp_path / "last.ckpt"), nn.Linear(2, 3)
    progress = checkpoint.load_checkpoint(
        fabric, tmp_path / "last.ckpt", recipe(), {"network": restored}
    )
    assert progress == _PROGRESS
    assert torch.equal(restored.weight, saved.get_parameter("weight"))


def test_no_half_written_file_is_left_beside(fabric: Fabric, tmp_path: Path) -> None:
    _save(fabric, tmp_path / "last.ckpt")
    _save(fabric, tmp_path / "last.ckpt")
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_missing_checkpoint_is_named(fabric: Fabric, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no checkpoint .*last\.ckpt to resume from"):
        checkpoint.load_checkpoint(fabric, tmp_path / "last.ckpt", recipe(), {})


@pytest.mark.parametrize("length", [0, 1, 100, -1])
def test_a_truncated_checkpoint_is_named(fabric: Fabric, tmp_path: Path, length: int) -> None:
    path = tmp_path / "last.ckpt"
    _save(fabric, path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(CheckpointError, match=r"last\.ckpt cannot be restored"):
        checkpoint.load_checkpoint(fabric, path, recipe(), {"network": nn.Linear(2, 3)})


@pytest.mark.parametrize("content", [{}, {"recipe": "{}"}, [1]])
def test_foreign_checkpoint_is_named(fabric: Fabric, tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError, match=r"last\.ckpt cannot be restored"):
        checkpoint.load_checkpoint(
            fabric, tmp_path / "last.ckpt", recipe(), {"network": nn.Linear(2, 3)}
        )


def test_another_recipes_checkpoint_is_rejected_and_nothing_restored(
    fabric: Fabric, tmp_path: Path
) -> None:
    _save(fabric, tmp_path / "last.ckpt", epochs=5)
    network = nn.Linear(2, 3)
    before = network.weight.clone()
    with pytest.raises(CheckpointError, match="was written by another recipe"):
        checkpoint.load_checkpoint(fabric, tmp_path / "last.ckpt", recipe(), {"network": network})
    assert torch.equal(network.weight, before)


def test_another_recipe_is_the_reason_also_where_its_tensors_do_not_fit(
    fabric: Fabric, tmp_path: Path
) -> None:
    _save(fabric, tmp_path / "last.ckpt", epochs=5)
    with pytest.raises(CheckpointError, match="was written by another recipe"):
        checkpoint.load_checkpoint(
            fabric, tmp_path / "last.ckpt", recipe(), {"network": nn.Linear(9, 9)}
        )


def test_model_card_may_change_between_runs(fabric: Fabric, tmp_path: Path) -> None:
    _save(fabric, tmp_path / "last.ckpt")
    reworded = recipe(publish={"summary": "better", "intended_use": "more", "limits": "fewer"})
    network = {"network": nn.Linear(2, 3)}
    assert (
        checkpoint.load_checkpoint(fabric, tmp_path / "last.ckpt", reworded, network) == _PROGRESS
    )


def test_a_field_that_is_younger_than_the_checkpoint_has_its_default(
    fabric: Fabric, tmp_path: Path
) -> None:
    path = tmp_path / "last.ckpt"
    _save(fabric, path)
    _edit(path, channels_last=None)  # as a checkpoint from before there was such a field
    network = {"network": nn.Linear(2, 3)}
    assert checkpoint.load_checkpoint(fabric, path, recipe(), network) == _PROGRESS
    with pytest.raises(CheckpointError, match="another recipe"):
        checkpoint.load_checkpoint(fabric, path, recipe(channels_last=True), network)


@pytest.mark.parametrize("fields", [{"epochs": -1}, {"forgotten": 3}, {"optimizer": None}])
def test_recipe_that_is_no_longer_valid_counts_as_another(
    fabric: Fabric, tmp_path: Path, fields: dict[str, Any]
) -> None:
    path = tmp_path / "last.ckpt"
    _save(fabric, path)
    _edit(path, **fields)
    with pytest.raises(CheckpointError, match="was written by another recipe"):
        checkpoint.load_checkpoint(fabric, path, recipe(), {"network": nn.Linear(2, 3)})
