"""A recipe computes the same on two processes as on one."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
import yaml
from lightning_fabric import Fabric
from torch import Tensor

from tests.training.tiny import ADVERSARIAL, content, recipe
from training.datasets.strokes import StrokeSplit
from training.engine.csv_logger import read_log
from training.engine.distributed import DistributedConfig, all_reduce_mean, shard_batch
from training.engine.trainer import fit
from training.errors import RecipeError

# No batch norm, no dropout: nothing that looks at its batch as a whole, or draws as it goes.
READER = content(
    {
        "data": {"kind": "stroke-digits", "train_size": 200, "test_size": 50},
        "network": {"kind": "stroke-reader", "hidden": 8},
        "task": {"kind": "strokes", "noise": 0.01, "distortion": 0.1},
        "initializer": {"kind": "glorot"},
        "optimizer": {"kind": "adamw", "lr": 0.01},
        "clip_norm": 1.0,
        "epochs": 2,
    }
)


class _Step(NamedTuple):
    tokens: Tensor
    first: bool


class _Rank:
    """The part of Fabric that `share` uses."""

    world_size = 2

    def __init__(self, rank: int) -> None:
        self.global_rank = rank


def test_two_processes_compute_what_one_does_with_the_batch_of_both(tmp_path: Path) -> None:
    path = tmp_path / "reader.yaml"
    path.write_text(yaml.safe_dump(READER))
    command = [
        sys.executable, "-m", "training", "fit", str(path), "--run-dir", str(tmp_path / "two"),
        "--devices", "2", "--strategy", "ddp", "--accelerator", "cpu",
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("next: deepshelf train publish") == 1  # one process speaks for both
    from training.config.recipe import load_recipe

    result = fit(load_recipe(str(path)), tmp_path / "one", show_progress=False, accelerator="cpu")
    assert result.is_rank_zero
    alone, together = read_log(tmp_path / "one/metrics.csv"), read_log(tmp_path / "two/metrics.csv")
    assert alone.keys() == together.keys()
    for name in ("train_loss", "test_nll", "learning_rate"):
        assert dict(together[name]) == pytest.approx(dict(alone[name]), rel=1e-4)
    saved = torch.load(tmp_path / "two/last.ckpt", weights_only=False)["network"]
    for key, weight in torch.load(tmp_path / "one/last.ckpt", weights_only=False)[
        "network"
    ].items():
        assert torch.allclose(weight, saved[key], atol=1e-4), key


def test_the_shares_of_a_batch_are_the_batch() -> None:
    rows = torch.arange(12).view(6, 2)
    drawings = StrokeSplit(rows.float().view(6, 2, 1).expand(6, 2, 3), rows[:, 0], rows[:, 1])
    batch = ((rows, 2 * rows[:, 0]), _Step(rows, first=True), drawings)
    shares = [shard_batch(batch, _Rank(rank)) for rank in (0, 1)]  # type: ignore[arg-type]
    for rank, ((pair, step, drawn)) in enumerate(shares):
        assert torch.equal(pair[0], rows[rank::2])
        assert torch.equal(pair[1], 2 * rows[rank::2, 0])
        assert torch.equal(step.tokens, rows[rank::2])
        assert step.first is True
        assert torch.equal(drawn.labels_N, rows[rank::2, 1])
        assert len(drawn.moves_NT3) == 3


def test_remainder_of_a_batch_is_dropped() -> None:
    shares = [shard_batch(torch.arange(5), _Rank(rank)) for rank in (0, 1)]  # type: ignore[arg-type]
    assert [part.tolist() for part in shares] == [[0, 2], [1, 3]]


def test_one_process_gets_the_batch_itself() -> None:
    fabric, batch = Fabric(accelerator="cpu", devices=1), torch.arange(5)
    assert shard_batch(batch, fabric) is batch
    assert all_reduce_mean(fabric, {"loss": torch.tensor(1.5)}) == {"loss": 1.5}


def test_a_batch_that_cannot_be_split_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"batch_size 50 cannot be split between 4 .*2 nodes × 2"):
        fit(
            recipe(), tmp_path, distributed=DistributedConfig(devices=2, nodes=2), accelerator="cpu"
        )


def test_alternating_networks_train_on_one_device(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="adversarial trains on one device, got 2"):
        fit(
            recipe(**ADVERSARIAL),
            tmp_path,
            distributed=DistributedConfig(devices=2),
            accelerator="cpu",
        )
