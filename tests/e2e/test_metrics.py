"""Metrics of several workers are one response, whichever of them sends it."""

import os
import signal
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.e2e.server import running_server
from tests.fakes.image_models import encode_png, solid_image
from tests.waiting import wait_until

RED = encode_png(solid_image(60, 40, (255, 0, 0)))


def _samples(client: httpx.Client, name: str) -> list[Sample]:
    text = client.get("/metrics").text
    families = text_string_to_metric_families(text)
    return [sample for family in families for sample in family.samples if sample.name == name]


def _classified(client: httpx.Client) -> float:
    samples = _samples(client, "deepshelf_requests_total")
    return sum(sample.value for sample in samples if sample.labels["route"] == "/v1/classify")


def _pids(client: httpx.Client) -> set[int]:
    samples = _samples(client, "deepshelf_process_resident_memory_bytes")
    return {int(sample.labels["pid"]) for sample in samples}


def _send(client: httpx.Client, times: int) -> None:
    for _ in range(times):
        assert client.post("/v1/classify", content=RED).status_code == 200


def _is_replaced(killed: int, client: httpx.Client) -> bool:
    try:
        # No worker accepts a request before it has loaded its models.
        assert client.get("/readyz").status_code == 200
        return len(_pids(client) - {killed}) == 2
    except httpx.TransportError:
        return False  # the killed worker had accepted the connection


def test_counts_are_of_all_workers_and_outlive_one_that_is_killed(
    store: Path, tmp_path: Path
) -> None:
    with (
        running_server(store, tmp_path / "log", workers=2) as server,
        # On new connections either worker may respond.
        server.client({"connection": "close"}) as client,
    ):
        wait_until(lambda: len(_pids(client)) == 2)
        _send(client, 20)
        for _ in range(4):  # each response counts all workers
            wait_until(lambda: _classified(client) == 20)
        killed = _pids(client).pop()
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: _is_replaced(killed, client))
        wait_until(lambda: _classified(client) == 20)
        _send(client, 5)
        wait_until(lambda: _classified(client) == 25)
        (workers,) = _samples(client, "deepshelf_workers")
        assert workers.value == 2
