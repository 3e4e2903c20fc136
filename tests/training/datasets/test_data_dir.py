from pathlib import Path

import pytest

from training.datasets.data_dir import data_dir


def test_data_dir_is_the_folder_of_the_environment_variable(data_home: Path) -> None:
    assert data_dir() == data_home


@pytest.mark.parametrize("value", [None, ""])
def test_the_users_own_cache_is_the_default(
    value: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    if value is None:
        monkeypatch.delenv("DEEPSHELF_DATA", raising=False)
    else:
        monkeypatch.setenv("DEEPSHELF_DATA", value)
    assert data_dir() == tmp_path / ".cache" / "deepshelf"
