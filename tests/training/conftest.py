from pathlib import Path

import pytest


@pytest.fixture
def data_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use an empty folder for data sets in place of the user's."""
    home = tmp_path / "data"
    home.mkdir()
    monkeypatch.setenv("DEEPSHELF_DATA", str(home))
    return home
