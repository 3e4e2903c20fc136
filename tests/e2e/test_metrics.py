"""Metrics of several workers are one response, whichever of them sends it."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.e2e.server import running_server
from tests.fakes.image_models import encode_png, solid_image

RED = encode_png(solid_image(60, 40, (255, 0, 0)))


CLOSE = {"connection": "close"}
"""Send requests on new connections, so that either worker may respond."""


def _samples(client: httpx.Client, name: str) -> list[Sample]:
    text = client.get("/metrics", headers=CLOSE).text
    families = text_string_to_metric_families(text)
    return [sample for family in families for sample in family.samples if sample.name == name]


def _classified(client: httpx.Client) -> float:
    samples = _samples(client, "deepshelf_requests_total")
    # A worker that has just started responds with 503 until its models are loaded.
    success = {"route": "/v1/classify", "status": "200"}
    return sum(sample.value for sample in samples if success.items() <= sample.labels.items())


def _pids(client: httpx.Client) -> set[int]:
    samples = _samples(client, "deepshelf_process_resident_memory_bytes")
    return {int(sample.labels["pid"]) for sample in samples}


def _until(condition: Callable[[], bool]) -> None:
    for _ in range(1200):
        try:
            if condition():
                return
        except httpx.TransportError:
            pass  # it was counted by the killed worker
        time.sleep(0.05)
    pytest.fail("it did not happen within a minute")


def _send(client: httpx.Client, times: int) -> None:
    for _ in range(times):
        _until(lambda: client.post("/v1/classify", content=RED, headers=CLOSE).is_success)


def _responses_only(client: httpx.Client) -> bool:
    """Return True if no worker accepted a request before it had loaded its models."""
    assert client.get("/readyz", headers=CLOSE).status_code == 200
    return True


def test_counts_are_of_all_workers_and_outlive_one_that_is_killed(
    store: Path, tmp_path: Path
) -> None:
    with (
        running_server(store, tmp_path / "log", workers=2) as server,
        httpx.Client(base_url=server.url) as client,
    ):
        _until(lambda: len(_pids(client)) == 2)
        _send(client, 20)
        for _ in range(4):  # each response counts all workers
            _until(lambda: _classified(client) == 20)
        killed = _pids(client).pop()
        os.kill(killed, signal.SIGKILL)
        _until(lambda: _responses_only(client) and len(_pids(client) - {killed}) == 2)
        _until(lambda: _classified(client) == 20)
        _send(client, 5)
        _until(lambda: _classified(client) == 25)
        (workers,) = _samples(client, "deepshelf_workers")
        assert workers.value == 2
