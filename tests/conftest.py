"""What tests of several packages share."""

from pathlib import Path

import pytest

from tests.fakes.image_models import Blur, Paint, put


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Long bytes are named by their length: unreadable, and a time of day in them would differ
    from one worker of pytest-xdist to the next, which then refuses to start."""
    if isinstance(val, bytes) and len(val) > 12:
        return f"{argname}-{len(val)}-bytes"
    return None


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shelf to read from: paint 1 and 2, an ensemble, and denoisers in grey and in colour."""
    folder = tmp_path_factory.mktemp("store")
    put(folder, "paint", Paint())
    put(folder, "paint", Paint(sharpness=20.0))
    put(folder, "all-paint", Paint(members=3))
    put(folder, "blur", Blur(reach=1))
    put(folder, "colour-same", Blur(mode="RGB"))
    return folder
