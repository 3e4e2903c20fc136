"""Publish 100 good versions under load, one after the other, with bad ones between them.

    python -m tests.chaos reload --rounds 100

The service has one worker. The version that responses name must be good and must never decrease.
Between two reloads, the old version's folder is removed. After every tenth, the store is moved away
for a moment, while models are loaded and unloaded through the API.
"""

import argparse
import asyncio
import json
import time
from collections import Counter
from pathlib import Path

from tests.chaos.http import Connection, HttpRequest
from tests.chaos.report import Report, format_latencies
from tests.chaos.requests import ExpectedResponses, classify_request, text_request
from tests.chaos.service_process import Service, running_service
from tests.chaos.stores import copy_store, publish_corrupted, remove_version, republish

_MODELS = ("resnet-cifar10", "charnn-tiny")
_DAMAGES = ("flipped", "cut", "empty", "lying")
_ADMIN_KEY = "admin"


class _Clients:
    """Send requests continuously, and record which version is served."""

    def __init__(self, service: Service, golden: ExpectedResponses) -> None:
        self._service, self._golden = service, golden
        self.outcomes: Counter[str] = Counter()
        self.seconds: list[float] = []
        self.bad_versions: set[int] = set()
        self.stopped = False

    async def send_repeatedly(self, request: HttpRequest) -> None:
        last_version = 0
        async with Connection(self._service.port) as connection:
            while not self.stopped:
                response = await connection.send(request)
                self.seconds.append(response.seconds)
                if response.status != 200 or not self._golden.matches(request, response):
                    self.outcomes[f"wrong: {response.status} {response.body[:90]!r}"] += 1
                    continue
                version = json.loads(response.body)["version"]
                self.outcomes["right"] += 1
                self.outcomes["by a bad version"] += version in self.bad_versions
                self.outcomes["by an older version than before"] += version < last_version
                last_version = version
                await asyncio.sleep(0.005)


async def run(report: Report, folder: Path, options: argparse.Namespace) -> None:
    """Reload under load; record the memory after every tenth reload."""
    store, rounds = copy_store(options.store, folder, _MODELS), options.rounds or 100
    settings = {"threads": 1, "store_poll_interval_s": 0.1, "admin_key": _ADMIN_KEY}
    async with running_service(store, folder, **settings) as service:
        expected, requests = (
            ExpectedResponses(),
            {"resnet-cifar10": classify_request(), "charnn-tiny": text_request(1, 60)},
        )
        await expected.record(service, requests.values())
        clients = _Clients(service, expected)
        tasks = [
            asyncio.create_task(clients.send_repeatedly(request)) for request in requests.values()
        ]
        memory, reload_times, rejected_bad_versions = [service.resident_mib], [], 0
        without_store = Counter[int]()
        for round_ in range(1, rounds + 1):
            reload_times += [await _publish_and_wait(service, store, name) for name in _MODELS]
            if round_ % 10 == 0:
                memory.append(service.resident_mib)
                rejected_bad_versions += await _check_corrupted_version(
                    service, store, clients, round_
                )
                without_store += await _control_without_store(service, store)
        clients.stopped = True
        await asyncio.gather(*tasks)
        _report_results(report, clients, memory, reload_times)
        report.expect("a bad version never replaced a good one, and its reason was given",
                       rejected_bad_versions == rounds // 10)  # fmt: skip
        report.expect(
            f"load and unload while the store is away were 503 {dict(without_store)}",
            set(without_store) <= {503},
        )
        expected_errors = ("model failed", "store cannot be read")
        errors = [
            line
            for line in service.error_lines()
            if not any(event in line for event in expected_errors)
        ]
        report.expect(f"the log has no other errors {errors[:2]}", not errors)


def _report_results(
    report: Report, clients: _Clients, memory: list[float], reload_times: list[float]
) -> None:
    outcomes = clients.outcomes
    for outcome, count in sorted(outcomes.items()):
        report.record(outcome, f"{count:,}")
    report.record("versions loaded", f"{len(reload_times)}")
    report.record(
        "from publishing until it is served (a scan each 0.1 s)", format_latencies(reload_times)
    )
    report.record("response time meanwhile", format_latencies(clients.seconds))
    listed = " ".join(f"{mebibytes:.0f}" for mebibytes in memory)
    report.record("memory at the start and after each tenth round, MiB", listed)
    growth_mib = memory[-1] - memory[1] if len(memory) > 2 else 0.0
    report.record("growth after the first ten rounds", f"{growth_mib:.1f} MiB")
    report.expect(
        "no response was wrong", not [outcome for outcome in outcomes if "wrong" in outcome]
    )
    report.expect("none came from a bad version", not outcomes["by a bad version"])
    report.expect("no version came back", not outcomes["by an older version than before"])
    report.expect("memory grew by under 32 MiB after the first ten", growth_mib < 32)


async def _publish_and_wait(service: Service, store: Path, name: str) -> float:
    """Publish a version, return the seconds until it is served, and remove the previous one."""
    version = await asyncio.to_thread(republish, store, name)
    start = time.perf_counter()
    while (states := await _version_states(service, name)).get(version) != "ready":
        if time.perf_counter() - start > 30:
            raise RuntimeError(f"{name} {version} was not picked up: {states}")
        await asyncio.sleep(0.02)
    elapsed_s = time.perf_counter() - start
    await asyncio.to_thread(remove_version, store / name / str(version - 1))
    while await _version_states(service, name) != {version: "ready"}:
        await asyncio.sleep(0.02)
    return elapsed_s


async def _check_corrupted_version(
    service: Service, store: Path, clients: _Clients, round_: int
) -> bool:
    """Publish a bad version; return whether it was rejected and the good one kept serving."""
    name, damage = "resnet-cifar10", _DAMAGES[round_ // 10 % len(_DAMAGES)]
    good_version = next(iter(await _version_states(service, name)))
    clients.bad_versions.add(good_version + 1)
    bad_folder = await asyncio.to_thread(publish_corrupted, store, name, damage)
    for _ in range(500):
        states = await _version_states(service, name)
        if states.get(good_version + 1) not in (None, "loading"):
            break
        await asyncio.sleep(0.02)
    await asyncio.to_thread(remove_version, bad_folder)
    while len(await _version_states(service, name)) > 1:
        await asyncio.sleep(0.02)
    clients.bad_versions.discard(good_version + 1)  # the next good one has this number
    return states == {good_version: "ready", good_version + 1: "failed"}


async def _control_without_store(service: Service, store: Path) -> Counter[int]:
    """Move the store away for a moment, and return the statuses of load and unload requests."""
    away, statuses = store.with_name("away"), Counter[int]()
    store.rename(away)
    try:
        for action in ("load", "unload") * 5:
            path = f"/v2/repository/models/resnet-cifar10/{action}"
            async with Connection(service.port) as connection:
                response = await connection.send(HttpRequest(action, path, key=_ADMIN_KEY))
            statuses[response.status] += 1
            await asyncio.sleep(0.05)  # the service scans the store meanwhile
    finally:
        away.rename(store)
    return statuses


async def _version_states(service: Service, name: str) -> dict[int, str]:
    _, body = await service.get("/v1/models")
    models = json.loads(body)["models"]
    (model_entry,) = (model for model in models if model["name"] == name)
    return {version["version"]: version["state"] for version in model_entry["versions"]}
