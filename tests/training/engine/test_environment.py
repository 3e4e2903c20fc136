import os
import shutil
import subprocess
from pathlib import Path

import pytest

from training.engine.environment import Environment, git_commit


def _git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    # The machine's own settings (signing, hooks) are not this repository's.
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    command = ["git", *identity, *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Create a repository with one committed file, `code.py`."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    folder = tmp_path / "checkout"
    folder.mkdir()
    _git(folder, "init", "--quiet")
    (folder / "code.py").write_text("a = 1\n")
    _git(folder, "add", "code.py")
    _git(folder, "commit", "--quiet", "--message", "Begin")
    return folder


def test_a_checkout_is_named_by_its_commit(checkout: Path) -> None:
    commit = _git(checkout, "rev-parse", "HEAD")
    assert git_commit(checkout / "code.py") == commit
    # A tag does not change what it is called.
    _git(checkout, "tag", "v1")
    assert git_commit(checkout / "code.py") == commit


def test_modified_checkout_is_marked_dirty(checkout: Path) -> None:
    commit = _git(checkout, "rev-parse", "HEAD")
    (checkout / "code.py").write_text("a = 2\n")
    assert git_commit(checkout / "code.py") == f"{commit}-dirty"


def test_a_copy_that_is_installed_within_a_checkout_is_not_of_its_commit(checkout: Path) -> None:
    installed = checkout / ".venv" / "code.py"
    installed.parent.mkdir()
    installed.write_text("a = 1\n")
    assert git_commit(installed) is None


def test_outside_a_checkout_there_is_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    (tmp_path / "code.py").write_text("")
    assert git_commit(tmp_path / "code.py") is None


def test_without_git_there_is_no_commit(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(checkout))
    assert git_commit(checkout / "code.py") is None


def test_a_model_names_the_machine_that_trained_it_not_the_one_that_publishes(
    tmp_path: Path,
) -> None:
    elsewhere = Environment(hardware="8 × H100", libraries={"torch": "2.11"}, git_commit="abc")
    elsewhere.save(tmp_path)
    assert Environment.load(tmp_path) == elsewhere


def test_run_without_a_recorded_machine_reports_this_one(tmp_path: Path) -> None:
    assert Environment.load(tmp_path) == Environment.current()
