import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.observability.shared_dir import _default_dir, get_shared_dir, remove_shared_dirs


def test_a_process_without_siblings_shares_with_nobody() -> None:
    assert get_shared_dir(None) is None


@pytest.mark.skipif(os.name == "nt", reason="folders have no owner there")
def test_a_folder_that_cannot_be_used_costs_the_view_of_the_others_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert get_shared_dir(tmp_path / "link") is None
    (tmp_path / "file").touch()
    assert get_shared_dir(tmp_path / "file") is None
    assert caplog.text.count("limits are per worker") == 2


def test_folders_of_processes_that_are_gone_are_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    mine, others, dead = (_default_dir(pid) for pid in (os.getpid(), os.getppid(), gone.pid))
    for folder in (mine, others, dead):
        folder.mkdir()
    remove_shared_dirs(os.getpid())
    assert [folder.exists() for folder in (mine, others, dead)] == [False, True, False]
