"""Texts at the same time: characters a second, and how long each waits for its first.

32 clients ask for a text each, streamed, from services with a worker for each core: ours, with each
precision that the model has, and one that runs the graph for each character of each text. Prompts
have 7 characters and differ, unless they are meant to be alike: those, ours reads once.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import report, servers
from models_store.layout import versions
from models_store.verify import read_manifest
from service.runtime.cpu_limits import available_cores

__all__ = ["text"]

_CHARS = 240
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PEER = "a step per stream"


@dataclass(frozen=True)
class Round:
    """32 texts at once, or one alone."""

    chars_per_s: float
    first_s: list[float]
    """Of each text, from its request to its first character, in order of length."""


@dataclass(frozen=True)
class Service:
    """Somebody who writes."""

    port: int
    more: Mapping[str, object]
    """What else is in the request."""
    alike: bool = False
    """Whether all prompts are the same."""


def text(*, rounds: int, model: str, streams: int, alike: bool = False) -> None:
    """Measure and write."""
    folder = Path("models_store") / model / str(versions(Path("models_store"), model)[-1])
    precisions = ["fp32", *(variant.precision for variant in read_manifest(folder).variants)]
    cores = available_cores()
    many: dict[str, list[Round]] = {}
    alone: dict[str, list[Round]] = {}
    with ExitStack() as stack:
        ours = stack.enter_context(
            servers.ours(Path("models_store"), workers=cores, models=model, log_level="warning")
        )
        peer = stack.enter_context(servers.stepwise(folder, workers=cores))
        services = {_PEER: Service(peer.port, {}, alike)}
        for precision in precisions:
            more = {"model": model, "stream": True}
            if len(precisions) > 1:
                more["precision"] = precision
            services[f"deepshelf, {precision}"] = Service(ours.port, more, alike)
        for service in services.values():  # also: graphs are examined when they are first used
            for _ in range(2):
                asyncio.run(_round(service, streams, chars=20))
        for _ in range(rounds):
            for name, service in services.items():
                many.setdefault(name, []).append(asyncio.run(_round(service, streams, _CHARS)))
                alone.setdefault(name, []).append(asyncio.run(_round(service, 1, _CHARS)))
    _write(model, streams, many, alone)


async def _round(service: Service, streams: int, chars: int) -> Round:
    begin = time.monotonic()
    firsts = await asyncio.gather(*(_stream(service, seed, chars) for seed in range(streams)))
    return Round(streams * chars / (time.monotonic() - begin), sorted(firsts))


async def _stream(service: Service, seed: int, chars: int) -> float:
    """Seconds to the first character. HTTP by hand: a client library would take a core."""
    first, second = (0, 0) if service.alike else divmod(seed, len(_LETTERS))
    prompt = f"{_LETTERS[first]}{_LETTERS[second]}MEO:\n"
    asked = {"prompt": prompt, "max_chars": chars, "temperature": 0.8, "seed": seed}
    body = json.dumps({**asked, **service.more}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    head = (
        "POST /v1/text HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    begin = time.monotonic()
    writer.write(head.encode() + body)
    if b" 200 " not in await reader.readline():
        raise RuntimeError(f"not answered: {(await reader.read()).decode(errors='replace')}")
    await reader.readuntil(b"data: ")
    first_s = time.monotonic() - begin
    rest = await reader.read()
    if b"[DONE]" not in rest:
        raise RuntimeError("a text was cut off")
    writer.close()
    return first_s


def _write(
    model: str,
    streams: int,
    many: Mapping[str, Sequence[Round]],
    alone: Mapping[str, Sequence[Round]],
) -> None:
    rows = []
    for name, rounds in many.items():
        last, lone = (
            _median([r.first_s[-1] for r in rounds]),
            _median([r.first_s[0] for r in alone[name]]),
        )
        rates, peer = [r.chars_per_s for r in rounds], [r.chars_per_s for r in many[_PEER]]
        ratio = _median([one / other for one, other in zip(rates, peer, strict=True)])
        rows.append(
            [
                name,
                f"{_median(rates):,.0f}",
                f"{ratio:.1f}",
                f"{_median([r.chars_per_s for r in alone[name]]):,.0f}",
                f"{1e3 * lone:.1f}",
                f"{1e3 * last:.1f}",
                f"{last / lone:.1f}",
            ]
        )
    head = ["who", f"characters a second, {streams} streams", "to a step per stream",
            "one stream alone", "first character ms, alone", f"the last of {streams}",
            "ratio"]  # fmt: skip
    raw = {
        "model": model,
        "many": {name: [asdict(one) for one in rounds] for name, rounds in many.items()},
        "alone": {name: [asdict(one) for one in rounds] for name, rounds in alone.items()},
    }
    report.write("text", report.table(head, rows), raw)
    medians = {name: _median([r.chars_per_s for r in rounds]) for name, rounds in many.items()}
    title = f"{model}, {streams} streams of {_CHARS} characters"
    report.bars("text", {title: medians}, "characters a second (median of rounds)")


def _median(values: Sequence[float]) -> float:
    return statistics.median(values)
