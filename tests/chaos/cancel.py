"""Clients that leave: while they wait, in the middle of a picture, in a batch of eight texts.

    python -m tests.chaos cancel --rounds 20

That work stops is seen in what the service counts: pictures decoded, tiles' seconds, characters.
"""

import argparse
import asyncio
import io
import random
from pathlib import Path

import numpy as np
from PIL import Image

from tests.chaos.http import Connection, Question
from tests.chaos.questions import Golden, classify, text
from tests.chaos.report import Report
from tests.chaos.service_process import Service, serving
from tests.chaos.shelves import copy_shelf

__all__ = ["run"]

_MODELS = ("resnet-cifar10", "denoiser-mnist", "charnn-shakespeare")
_LENGTH = 600
"""Characters of each text."""


async def run(report: Report, folder: Path, options: argparse.Namespace) -> None:
    """One worker with one thread, so that who waits and who runs is known."""
    shelf = copy_shelf(options.store, folder, _MODELS)
    async with serving(shelf, folder, threads=1, queue_size=64, deadline_s=120) as service:
        large = Question("large", "/v1/denoise", _large_picture())
        golden = Golden()
        texts = [text(seed, _LENGTH, model="charnn-shakespeare", stream=True) for seed in range(8)]
        await golden.learn(service, [classify(), large, *texts])
        await _waiting(report, service, golden, large)
        await _under_way(report, service, golden, large)
        await _texts(report, service, golden, texts, options.rounds or 20)
        report.promise("the log has no errors", not service.errors())


def _large_picture() -> bytes:
    """2,200 × 64 pixels: five tiles."""
    pixels = np.random.default_rng(0).integers(0, 256, (64, 2200), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


async def _waiting(report: Report, service: Service, golden: Golden, large: Question) -> None:
    """40 wait behind a large picture and leave; one that came after them stays."""
    decoded = await _decoded(service)
    async with Connection(service.port) as busy, Connection(service.port) as staying:
        working = asyncio.create_task(busy.ask(large))
        await _until(service, "deepshelf_queue_running", 1)
        gone = [await Connection(service.port).__aenter__() for _ in range(40)]
        for one in gone:
            one.writer.write(classify().raw())
        await _until(service, "deepshelf_queue_depth", 40)
        stays = asyncio.create_task(staying.ask(classify()))
        await _until(service, "deepshelf_queue_depth", 41)
        for one in gone:
            one.writer.transport.abort()
        answers = await working, await stays
    right = golden.is_right(large, answers[0]) and golden.is_right(classify(), answers[1])
    decoded = await _decoded(service) - decoded
    cancelled = await service.metric("deepshelf_cancelled_total", route="/v1/classify")
    report.figure("40 left while waiting; pictures decoded in all", f"{decoded:.0f}")
    report.promise("none of those was decoded, two were that stayed", decoded == 2)
    report.promise("40 are counted as cancelled", cancelled == 40)
    report.promise("the answers of those that stayed are right", right)


async def _under_way(report: Report, service: Service, golden: Golden, large: Question) -> None:
    """Leave in the middle of a picture of many tiles."""
    before = await _computed(service)
    async with Connection(service.port) as connection:
        whole = (await connection.ask(large)).seconds
    cost = await _computed(service) - before
    before = await _computed(service)
    rounds = 5
    for _ in range(rounds):
        async with Connection(service.port) as connection:
            connection.writer.write(large.raw())
            await _until(service, "deepshelf_queue_running", 1)
            await asyncio.sleep(0.1)
            connection.writer.transport.abort()
        await _until(service, "deepshelf_queue_running", 0)
    spent = (await _computed(service) - before) / rounds
    report.figure("seconds of a large picture, of which graphs", f"{whole:.2f}, {cost:.2f}")
    report.figure("… graphs, of one that was left after 0.1 s", f"{spent:.2f}")
    report.promise("what was left cost under half", spent < cost / 2)
    async with Connection(service.port) as connection:
        right = golden.is_right(large, await connection.ask(large))
    report.promise("the same picture is answered rightly afterwards", right)


async def _texts(
    report: Report, service: Service, golden: Golden, texts: list[Question], rounds: int
) -> None:
    """Of eight texts that share every run, four are left at some moment."""
    randomness, wrong = random.Random(0), 0
    written = await service.metric("deepshelf_text_written_characters_total")
    for _ in range(rounds):
        leaving = set(randomness.sample(range(8), 4))
        answers = await asyncio.gather(
            *(
                _leave(service, question, randomness.randrange(1, 8))
                if seed in leaving
                else _stay(service, golden, question)
                for seed, question in enumerate(texts)
            )
        )
        wrong += answers.count(False)
        await _until(service, "deepshelf_queue_running", 0, queue="texts")
    written = await service.metric("deepshelf_text_written_characters_total") - written
    asked = rounds * 8 * _LENGTH
    report.figure(f"rounds of 8 texts of {_LENGTH} characters, of which 4 were left", str(rounds))
    report.figure("characters asked for, written", f"{asked:,}, {written:,.0f}")
    report.promise("the texts of those that stayed are what each is alone", wrong == 0)
    report.promise("texts that were left were not written to their end", written < 0.8 * asked)


async def _leave(service: Service, question: Question, pieces: int) -> bool:
    async with Connection(service.port) as connection:
        connection.writer.write(question.raw())
        await connection.head()
        for _ in range(pieces):
            await connection.piece()
        connection.writer.transport.abort()
    return True


async def _stay(service: Service, golden: Golden, question: Question) -> bool:
    async with Connection(service.port) as connection:
        return golden.is_right(question, await connection.ask(question))


async def _decoded(service: Service) -> float:
    return await service.metric("deepshelf_stage_seconds_count", stage="decode")


async def _computed(service: Service) -> float:
    return await service.metric("deepshelf_stage_seconds_sum", stage="run", route="/v1/denoise")


async def _until(service: Service, name: str, value: float, queue: str = "pictures") -> None:
    for _ in range(1000):
        if await service.metric(name, queue=queue) == value:
            return
        await asyncio.sleep(0.01)
    raise RuntimeError(f"{name} did not become {value}")
