"""A run is killed at every step that it takes with files, and finds no room for its checkpoints."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from tests.full_disk import no_file_over
from tests.repository import ROOT
from tests.training.killed import RECIPE
from tests.training.tiny import recipe
from training.engine import checkpoint
from training.engine.csv_logger import read_log
from training.engine.trainer import fit
from training.errors import CheckpointError


def _log(run_dir: Path) -> dict[str, list[tuple[int, float]]]:
    log = read_log(run_dir / "metrics.csv")
    del log["seconds"]
    return log


def _tensors(run_dir: Path, name: str) -> dict[str, torch.Tensor]:
    saved = torch.load(run_dir / name)["network"]
    assert saved
    return dict(saved)


def test_a_run_that_is_killed_at_any_step_ends_with_the_numbers_of_one_that_is_not(
    tmp_path: Path,
) -> None:
    fit(RECIPE, tmp_path / "whole", show_progress=False)
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.killed", str(tmp_path / "killed")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    kills = [line.split()[1] for line in done.stdout.splitlines()]
    assert kills.count("writing") == 3
    assert {"open", "os.rename"} <= set(kills)
    assert len(kills) > 12
    assert _log(tmp_path / "killed") == _log(tmp_path / "whole")
    for name in ("last.ckpt", "best.ckpt"):
        ours, theirs = _tensors(tmp_path / "killed", name), _tensors(tmp_path / "whole", name)
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert not list((tmp_path / "killed").glob("*.partial"))


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("name: ti")  # it had come so far
    resumed = fit(recipe(epochs=1), tmp_path, resume=True, show_progress=False)
    assert len(resumed.log) == 1


_NO_ROOM = r"last\.ckpt could not be written: [\d,]+ bytes are free .* free some space"


def test_a_full_disk_leaves_the_last_good_checkpoint(tmp_path: Path) -> None:
    fabric = Fabric(accelerator="cpu", devices=1)
    path, good = tmp_path / "last.ckpt", {"network": nn.Linear(200, 200)}
    checkpoint.save_checkpoint(fabric, path, recipe(), good, {"epoch": 1})
    with no_file_over(20_000), pytest.raises(CheckpointError, match=_NO_ROOM):
        checkpoint.save_checkpoint(
            fabric, path, recipe(), {"network": nn.Linear(200, 200)}, {"epoch": 2}
        )
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]
    restored = {"network": nn.Linear(200, 200)}
    assert checkpoint.load_checkpoint(fabric, path, recipe(), restored) == {"epoch": 1}
    assert torch.equal(restored["network"].weight, good["network"].weight)


def test_run_that_failed_on_a_full_disk_resumes_once_there_is_space(tmp_path: Path) -> None:
    with no_file_over(20_000), pytest.raises(CheckpointError, match=_NO_ROOM):
        fit(recipe(epochs=1), tmp_path / "run", show_progress=False)
    resumed = fit(recipe(epochs=1), tmp_path / "run", resume=True, show_progress=False)
    whole = fit(recipe(epochs=1), tmp_path / "whole", show_progress=False)
    assert resumed.log[0]["train_loss"] == whole.log[0]["train_loss"]
