from pathlib import Path

import pytest


@pytest.fixture
def data_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place where data sets are looked for, instead of the user's own."""
    home = tmp_path / "data"
    home.mkdir()
    monkeypatch.setenv("DEEPSHELF_DATA", str(home))
    return home
