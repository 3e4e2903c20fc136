import shutil
from pathlib import Path

import pytest


@pytest.fixture
def own_store(store: Path, tmp_path: Path) -> Path:
    """Copy the store, to be damaged."""
    return shutil.copytree(store, tmp_path / "store")


@pytest.fixture
def folder(own_store: Path) -> Path:
    """Publish one version of a classifier, to be damaged."""
    return own_store / "paint" / "1"
