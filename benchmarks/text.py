"""Concurrent text generation: characters per second, and the time to the first character.

32 clients request a streamed text each, from deepshelf with each precision of the model, and from a
service that runs the graph for each character of each text. Prompts have 7 characters and differ,
unless `alike` is set: deepshelf reads equal prompts once.
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
from models_store.layout import list_versions
from models_store.verify import read_manifest
from service.runtime.cpu_limits import available_cores

_CHARS = 240
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PEER = "a step per stream"


@dataclass(frozen=True)
class RoundResult:
    """32 texts at once, or one alone."""

    chars_per_s: float
    first_s: list[float]
    """Seconds from request to first character of each text, ascending."""


@dataclass(frozen=True)
class GenerationService:
    """A service that generates text."""

    port: int
    extra_params: Mapping[str, object]
    """Further fields of the request."""
    same_prompt: bool = False
    """Send the same prompt in every request."""


def text(*, rounds: int, model: str, streams: int, alike: bool = False) -> None:
    """Measure and write."""
    folder = Path("models_store") / model / str(list_versions(Path("models_store"), model)[-1])
    precisions = ["fp32", *(variant.precision for variant in read_manifest(folder).variants)]
    cores = available_cores()
    concurrent: dict[str, list[RoundResult]] = {}
    alone: dict[str, list[RoundResult]] = {}
    with ExitStack() as stack:
        deepshelf = stack.enter_context(
            servers.deepshelf_server(Path("models_store"), models=model, log_level="warning")
        )
        peer = stack.enter_context(servers.stepwise_server(folder, workers=cores))
        services = {_PEER: GenerationService(peer.port, {}, alike)}
        for precision in precisions:
            params = {"model": model, "stream": True}
            if len(precisions) > 1:
                params["precision"] = precision
            services[f"deepshelf, {precision}"] = GenerationService(deepshelf.port, params, alike)
        for service in services.values():  # also: graphs are examined when they are first used
            for _ in range(2):
                asyncio.run(_run_round(service, streams, chars=20))
        for _ in range(rounds):
            for name, service in services.items():
                concurrent.setdefault(name, []).append(
                    asyncio.run(_run_round(service, streams, _CHARS))
                )
                alone.setdefault(name, []).append(asyncio.run(_run_round(service, 1, _CHARS)))
    _write_results(model, streams, concurrent, alone)


async def _run_round(service: GenerationService, streams: int, chars: int) -> RoundResult:
    begin = time.monotonic()
    firsts = await asyncio.gather(
        *(_time_to_first_character(service, seed, chars) for seed in range(streams))
    )
    return RoundResult(streams * chars / (time.monotonic() - begin), sorted(firsts))


async def _time_to_first_character(service: GenerationService, seed: int, chars: int) -> float:
    """Return the seconds to the first character. A client library would use a whole core."""
    first, second = (0, 0) if service.same_prompt else divmod(seed, len(_LETTERS))
    prompt = f"{_LETTERS[first]}{_LETTERS[second]}MEO:\n"
    params = {"prompt": prompt, "max_chars": chars, "temperature": 0.8, "seed": seed}
    body = json.dumps({**params, **service.extra_params}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    head = (
        "POST /v1/text HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    begin = time.monotonic()
    writer.write(head.encode() + body)
    if b" 200 " not in await reader.readline():
        raise RuntimeError(f"request failed: {(await reader.read()).decode(errors='replace')}")
    await reader.readuntil(b"data: ")
    first_s = time.monotonic() - begin
    events = await reader.read()
    if b"[DONE]" not in events:
        raise RuntimeError("a stream ended early")
    writer.close()
    return first_s


def _write_results(
    model: str,
    streams: int,
    concurrent: Mapping[str, Sequence[RoundResult]],
    alone: Mapping[str, Sequence[RoundResult]],
) -> None:
    rows = []
    for name, rounds in concurrent.items():
        last_first_s, alone_first_s = (
            _median([r.first_s[-1] for r in rounds]),
            _median([r.first_s[0] for r in alone[name]]),
        )
        rates, peer_rates = (
            [r.chars_per_s for r in rounds],
            [r.chars_per_s for r in concurrent[_PEER]],
        )
        ratio = _median(
            [rate / peer_rate for rate, peer_rate in zip(rates, peer_rates, strict=True)]
        )
        rows.append(
            [
                name,
                f"{_median(rates):,.0f}",
                f"{ratio:.1f}",
                f"{_median([r.chars_per_s for r in alone[name]]):,.0f}",
                f"{1e3 * alone_first_s:.1f}",
                f"{1e3 * last_first_s:.1f}",
                f"{last_first_s / alone_first_s:.1f}",
            ]
        )
    head = ["who", f"characters a second, {streams} streams", "to a step per stream",
            "one stream alone", "first character ms, alone", f"the last of {streams}",
            "ratio"]  # fmt: skip
    raw = {
        "model": model,
        "many": {
            name: [asdict(result) for result in rounds] for name, rounds in concurrent.items()
        },
        "alone": {name: [asdict(result) for result in rounds] for name, rounds in alone.items()},
    }
    report.write_report("text", report.format_table(head, rows), raw)
    medians = {
        name: _median([r.chars_per_s for r in rounds]) for name, rounds in concurrent.items()
    }
    title = f"{model}, {streams} streams of {_CHARS} characters"
    report.draw_bars("text", {title: medians}, "characters a second (median of rounds)")


def _median(values: Sequence[float]) -> float:
    return statistics.median(values)
