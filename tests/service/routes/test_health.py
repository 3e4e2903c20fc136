import asyncio
import threading
from pathlib import Path

import httpx
import pytest

from service.app import create_app
from service.settings import Settings
from tests.fakes.image_models import encode_png, solid_image
from tests.service.serving import assert_problem, running_app

pytestmark = pytest.mark.anyio

RED = encode_png(solid_image(20, 30, (255, 0, 0)))


async def test_probes_of_a_loaded_service_are_ok(client: httpx.AsyncClient) -> None:
    assert (await client.get("/livez")).json() == {"status": "live"}
    assert (await client.get("/readyz")).json() == {"status": "ready", "ready": 5, "failed": 0}


async def test_a_process_that_is_still_loading_is_alive_but_not_ready(store: Path) -> None:
    app = create_app(Settings(store=store, store_poll_interval_s=0))  # its lifespan has not begun
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://deepshelf") as client:
        assert (await client.get("/livez")).status_code == 200
        assert "loading" in str(assert_problem(await client.get("/readyz"), 503)["detail"])
        response = await client.post("/v1/classify", content=b"x")
        assert "still being loaded" in str(assert_problem(response, 503)["detail"])


async def test_empty_store_is_never_ready(tmp_path: Path) -> None:
    async with running_app(tmp_path) as client:
        assert "no model is ready" in str(
            assert_problem(await client.get("/readyz"), 503)["detail"]
        )
        problem = assert_problem(await client.post("/v1/classify", content=b"x"), 404)
        assert "no model for classification" in str(problem["detail"])


async def test_missing_store_is_reported_without_its_path(tmp_path: Path) -> None:
    async with running_app(tmp_path / "nowhere") as client:
        problem = assert_problem(await client.get("/readyz"), 503)
        assert "the store cannot be read" in str(problem["detail"])
        assert "nowhere" not in str(problem)


async def test_stopped_service_leaves_no_task_and_no_thread(store: Path) -> None:
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    async with running_app(store, store_poll_interval_s=0.01) as client:
        assert (await client.post("/v1/classify", content=RED)).is_success
        assert _compute_threads() - threads
    assert asyncio.all_tasks() <= tasks
    assert not _compute_threads() - threads


def _compute_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("compute")}
