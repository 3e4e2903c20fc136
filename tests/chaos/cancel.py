"""Disconnect clients in the queue, in the middle of an image, and in a batch of eight texts.

    python -m tests.chaos cancel --rounds 20

The service's metrics show whether the work stops: images decoded, seconds of tiles, characters.
"""

import argparse
import asyncio
import io
import random
from pathlib import Path

import numpy as np
from PIL import Image

from tests.chaos.http import Connection, HttpRequest
from tests.chaos.report import Report
from tests.chaos.requests import ExpectedResponses, classify_request, text_request
from tests.chaos.service_process import Service, running_service
from tests.chaos.stores import copy_store

_MODELS = ("resnet-cifar10", "denoiser-mnist", "charnn-shakespeare")
_LENGTH = 600
"""Characters of each text."""


async def run(report: Report, folder: Path, options: argparse.Namespace) -> None:
    """Use one worker with one thread, so that the order of requests is known."""
    store = copy_store(options.store, folder, _MODELS)
    async with running_service(store, folder, threads=1, queue_size=64, deadline_s=120) as service:
        large = HttpRequest("large", "/v1/denoise", _large_image())
        golden = ExpectedResponses()
        texts = [
            text_request(seed, _LENGTH, model="charnn-shakespeare", stream=True)
            for seed in range(8)
        ]
        await golden.record(service, [classify_request(), large, *texts])
        await _cancel_queued(report, service, golden, large)
        await _cancel_running(report, service, golden, large)
        await _cancel_generations(report, service, golden, texts, options.rounds or 20)
        report.expect("the log has no errors", not service.error_lines())


def _large_image() -> bytes:
    """Return a PNG of 2,200 × 64 pixels, which is five tiles."""
    pixels = np.random.default_rng(0).integers(0, 256, (64, 2200), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


async def _cancel_queued(
    report: Report, service: Service, golden: ExpectedResponses, large: HttpRequest
) -> None:
    """Cancel 40 requests that wait behind a large image; a later one must complete."""
    decoded = await _decoded_count(service)
    async with Connection(service.port) as busy, Connection(service.port) as staying:
        large_task = asyncio.create_task(busy.send(large))
        await _wait_for_metric(service, "deepshelf_queue_running", 1)
        abandoned = [await Connection(service.port).__aenter__() for _ in range(40)]
        for connection in abandoned:
            connection.writer.write(classify_request().encode())
        await _wait_for_metric(service, "deepshelf_queue_depth", 40)
        remaining = asyncio.create_task(staying.send(classify_request()))
        await _wait_for_metric(service, "deepshelf_queue_depth", 41)
        for connection in abandoned:
            connection.writer.transport.abort()
        responses = await large_task, await remaining
    correct = golden.matches(large, responses[0]) and golden.matches(
        classify_request(), responses[1]
    )
    decoded = await _decoded_count(service) - decoded
    cancelled = await service.metric("deepshelf_cancelled_total", route="/v1/classify")
    report.record("40 cancelled while waiting; images decoded in total", f"{decoded:.0f}")
    report.expect("none of those was decoded, two were that stayed", decoded == 2)
    report.expect("40 are counted as cancelled", cancelled == 40)
    report.expect("the responses to the other clients are right", correct)


async def _cancel_running(
    report: Report, service: Service, golden: ExpectedResponses, large: HttpRequest
) -> None:
    """Disconnect in the middle of an image of many tiles."""
    before = await _compute_seconds(service)
    async with Connection(service.port) as connection:
        full_s = (await connection.send(large)).seconds
    cost = await _compute_seconds(service) - before
    before = await _compute_seconds(service)
    rounds = 5
    for _ in range(rounds):
        async with Connection(service.port) as connection:
            connection.writer.write(large.encode())
            await _wait_for_metric(service, "deepshelf_queue_running", 1)
            await asyncio.sleep(0.1)
            connection.writer.transport.abort()
        await _wait_for_metric(service, "deepshelf_queue_running", 0)
    spent = (await _compute_seconds(service) - before) / rounds
    report.record("seconds for a large image, of which in graphs", f"{full_s:.2f}, {cost:.2f}")
    report.record("… graphs, of one that was left after 0.1 s", f"{spent:.2f}")
    report.expect("what was left cost under half", spent < cost / 2)
    async with Connection(service.port) as connection:
        correct = golden.matches(large, await connection.send(large))
    report.expect("the same image gets the right response afterwards", correct)


async def _cancel_generations(
    report: Report,
    service: Service,
    golden: ExpectedResponses,
    requests: list[HttpRequest],
    rounds: int,
) -> None:
    """Cancel four of eight texts that share every run, at random moments."""
    rng, wrong = random.Random(0), 0
    generated = await service.metric("deepshelf_text_written_characters_total")
    for _ in range(rounds):
        cancelled = set(rng.sample(range(8), 4))
        results = await asyncio.gather(
            *(
                _disconnect_after(service, request_body, rng.randrange(1, 8))
                if seed in cancelled
                else _read_to_end(service, golden, request_body)
                for seed, request_body in enumerate(requests)
            )
        )
        wrong += results.count(False)
        await _wait_for_metric(service, "deepshelf_queue_running", 0, queue="texts")
    generated = await service.metric("deepshelf_text_written_characters_total") - generated
    requested = rounds * 8 * _LENGTH
    report.record(f"rounds of 8 texts of {_LENGTH} characters, of which 4 were left", str(rounds))
    report.record("characters asked for, written", f"{requested:,}, {generated:,.0f}")
    report.expect("the texts of those that stayed are what each is alone", wrong == 0)
    report.expect("texts that were left were not written to their end", generated < 0.8 * requested)


async def _disconnect_after(service: Service, request: HttpRequest, chunks: int) -> bool:
    async with Connection(service.port) as connection:
        connection.writer.write(request.encode())
        await connection.read_head()
        for _ in range(chunks):
            await connection.read_chunk()
        connection.writer.transport.abort()
    return True


async def _read_to_end(service: Service, golden: ExpectedResponses, request: HttpRequest) -> bool:
    async with Connection(service.port) as connection:
        return golden.matches(request, await connection.send(request))


async def _decoded_count(service: Service) -> float:
    return await service.metric("deepshelf_stage_seconds_count", stage="decode")


async def _compute_seconds(service: Service) -> float:
    return await service.metric("deepshelf_stage_seconds_sum", stage="run", route="/v1/denoise")


async def _wait_for_metric(
    service: Service, name: str, value: float, queue: str = "images"
) -> None:
    for _ in range(1000):
        if await service.metric(name, queue=queue) == value:
            return
        await asyncio.sleep(0.01)
    raise RuntimeError(f"{name} did not become {value}")
