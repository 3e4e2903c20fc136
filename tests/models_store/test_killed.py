"""A publisher is killed at every step, or finds no room: a version is whole or is not there."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import pytest

from models_store.archive import export_versions, import_versions
from models_store.cli import app
from models_store.errors import LayoutError
from models_store.layout import list_versions
from models_store.manifest import Manifest
from models_store.publish import publish_version
from models_store.staging import orphaned_staging_dirs, staging_dir
from models_store.verify import check_files, read_manifest
from tests.command_line import exit_code
from tests.fakes.image_models import MeanColorClassifier, publish_image_model
from tests.full_disk import no_file_over
from tests.repository import ROOT


def _killed_everywhere(store: Path, target: Path) -> list[list[str]]:
    paths = (str(store / "paint" / "1"), str(target))
    command = [sys.executable, "-m", "tests.models_store.killed", *paths]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


def test_a_kill_at_any_step_leaves_whole_versions_and_nothing_that_stays(
    store: Path, tmp_path: Path
) -> None:
    steps = _killed_everywhere(store, tmp_path / "store")
    assert len(steps) > 30
    calls = [call for _, call, _, _ in steps]
    assert {"os.mkdir", "open", "os.rename", "fcntl.flock"} <= set(calls)
    assert calls[-1] == "end"
    # Each leaves at most its own, and the one that lives takes them all away.
    hidden = [int(count) for *_, count in steps]
    assert all(after <= before + 1 for before, after in zip([0, *hidden], hidden, strict=False))
    assert max(hidden) > 1
    assert hidden[-1] == 0
    made = [int(count) for _, _, count, _ in steps]
    at = calls.index("os.rename")
    assert made[: at + 1] == [0] * (at + 1)  # before the rename there is nothing to see
    assert made[at + 1 :] == list(range(1, len(steps) - at))  # and after it, all of it


@pytest.fixture
def abandoned(tmp_path: Path, store: Path) -> Path:
    """Return a store in which a publisher was killed."""
    shutil.copytree(store / "paint", tmp_path / "store" / "paint")
    writer = get_context("spawn").Process(target=_die_within, args=(tmp_path / "store" / "paint",))
    writer.start()
    writer.join()
    assert writer.exitcode == -signal.SIGKILL
    return tmp_path / "store"


def _die_within(home: Path) -> None:
    with staging_dir(home) as folder:
        (folder / "model.onnx").write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)


def test_remains_of_a_killed_publisher_are_reported_and_removed_by_the_next(
    abandoned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (left,) = orphaned_staging_dirs(abandoned)
    assert (left / "model.onnx").read_bytes() == b"half"
    assert exit_code(app, "--store", str(abandoned), "verify") == 0
    assert f"{left.name} was left by a killed publisher" in capsys.readouterr().out
    publish_image_model(abandoned, "blur-other", MeanColorClassifier())
    assert orphaned_staging_dirs(abandoned) == [left]
    publish_image_model(abandoned, "paint", MeanColorClassifier())
    assert orphaned_staging_dirs(abandoned) == []
    assert list_versions(abandoned, "paint") == [1, 2, 3]


def test_folder_of_a_running_publisher_is_kept(tmp_path: Path) -> None:
    with staging_dir(tmp_path / "paint") as theirs:
        publish_image_model(tmp_path, "paint", MeanColorClassifier())
        assert theirs.is_dir()
        assert orphaned_staging_dirs(tmp_path) == []


def _copy(store: Path) -> Callable[[Path, int], Manifest]:
    source = store / "paint" / "1"

    def build(folder: Path, version: int) -> Manifest:
        manifest = read_manifest(source)
        for file in manifest.files:
            (folder / file.path).write_bytes((source / file.path).read_bytes())
        return manifest.model_copy(update={"version": version})

    return build


@pytest.mark.parametrize("max_bytes", [0, 100, 600, 1000, 1500])
def test_full_disk_is_reported_and_leaves_nothing(
    store: Path, tmp_path: Path, max_bytes: int
) -> None:
    with (
        no_file_over(max_bytes),
        pytest.raises(LayoutError, match=r"no space left to publish paint: .*was removed"),
    ):
        publish_version(tmp_path / "store", "paint", _copy(store), check_files)
    assert list((tmp_path / "store").iterdir()) == []


def test_full_disk_during_import_is_reported(store: Path, tmp_path: Path) -> None:
    export_versions(store, [("paint", 1)], tmp_path / "all.tar")
    with no_file_over(100), pytest.raises(LayoutError, match="no space left to publish paint"):
        import_versions(tmp_path / "all.tar", tmp_path / "store")
    assert list((tmp_path / "store").iterdir()) == []


def _publish_many(store: Path, count: int) -> None:
    for _ in range(count):
        publish_image_model(store, "paint", MeanColorClassifier())


def test_processes_that_publish_one_name_at_once_get_a_version_each(tmp_path: Path) -> None:
    context = get_context("spawn")
    writers = [context.Process(target=_publish_many, args=(tmp_path, 10)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert list_versions(tmp_path, "paint") == list(range(1, 21))
    for version in list_versions(tmp_path, "paint"):
        folder = tmp_path / "paint" / str(version)
        check_files(folder, read_manifest(folder))
    assert len(list((tmp_path / "paint").iterdir())) == 20
