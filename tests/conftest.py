"""Fixtures and hooks shared by all tests."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.fakes.image_models import BoxBlurDenoiser, MeanColorClassifier, publish_image_model

# The same examples in every run, however long each of them takes.
settings.register_profile(
    "tests",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tests")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name long bytes by their length. A time of day in them would differ between the workers of
    pytest-xdist, which then refuses to start."""
    if isinstance(val, bytes) and len(val) > 12:
        return f"{argname}-{len(val)}-bytes"
    return None


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Publish paint 1 and 2, an ensemble, and denoisers in grey and in colour, to read from."""
    folder = tmp_path_factory.mktemp("store")
    publish_image_model(folder, "paint", MeanColorClassifier())
    publish_image_model(folder, "paint", MeanColorClassifier(sharpness=20.0))
    publish_image_model(folder, "all-paint", MeanColorClassifier(members=3))
    publish_image_model(folder, "blur", BoxBlurDenoiser(reach=1))
    publish_image_model(folder, "colour-same", BoxBlurDenoiser(mode="RGB"))
    return folder
