from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.service.serving import running_app


@pytest.fixture(scope="session")
async def client(store: Path, anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:
    """Run a service over the shared store; tests that change settings or files start their own."""
    defaults = {
        "denoising": "blur"
    }  # the one for grey images, whose results can be computed by hand
    async with running_app(
        store, max_body_bytes=200_000, max_images=4, defaults=defaults
    ) as client:
        yield client
