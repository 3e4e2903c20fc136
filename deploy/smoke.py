"""Smoke test for a deployment of deepshelf; needs only the standard library and curl.

    python deploy/smoke.py http://127.0.0.1:8080
    python deploy/smoke.py http://127.0.0.1:8080 --engine docker --replicas NAME NAME
    python deploy/smoke.py http://127.0.0.1:8000 --publish 'docker compose run --rm train'
    python deploy/smoke.py http://127.0.0.1:8080 --during deploy/upgrade.sh

Run every `curl` command of the README against the service. With a command, require that no request
fails while it runs and that the model it publishes is served soon after. With replicas (containers
of an engine), require that each is healthy and does not run as root, then kill one during
classifications and streamed texts, and stop another with SIGTERM. Exit with 1 if a check fails.
"""

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
_README_URL = "http://127.0.0.1:8000"
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CLIENTS = 6
_SECONDS = 12.0
_KILL_AFTER_S = 4.0
_FOLLOW_S = 30.0
_WORKERS = 20
"""Number of consecutive responses that is taken to cover every worker."""
_PROBE = r"""
import os
with open("/proc/self/status") as lines:
    parts = [line.partition(":") for line in lines]
status = {name: value.strip() for name, _, value in parts}
read_only = bool(os.statvfs("/").f_flag & os.ST_RDONLY)
print(os.getuid(), status["CapEff"], status["NoNewPrivs"], read_only)
"""
"""Run inside a container: what it may do."""


def main() -> int:
    """Run the selected checks and print their results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url", nargs="?", default=os.environ.get("CC_URL", _README_URL))
    parser.add_argument("--engine", default="docker", help="docker or podman")
    parser.add_argument("--replicas", nargs="+", default=[], help="containers behind the URL")
    parser.add_argument(
        "--publish", metavar="COMMAND", help="command that publishes a model to the store"
    )
    parser.add_argument("--during", metavar="COMMAND", help="what must not cost a request")
    options = parser.parse_args()
    base = "{0.scheme}://{0.netloc}".format(urlsplit(options.url))
    good = examples(base)
    engine = [options.engine]
    for name in options.replicas:
        good &= hardened(engine, name)
    if options.publish:
        good &= follows(base, options.publish)
    if options.during:
        good &= undisturbed(base, options.during)
    if len(options.replicas) > 1:
        good &= killed_under_load(base, engine, options.replicas[0])
        good &= stops_by_itself(engine, options.replicas[1])
    say(good, "all of it")
    return 0 if good else 1


def say(good: bool, text: str) -> bool:
    """Print a finding, and give back whether it is a good one."""
    print(f"{'ok  ' if good else 'FAIL'} {text}", flush=True)
    return good


def examples(base: str) -> bool:
    """Check that every curl command of the README succeeds."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = [block for block in _BLOCK.findall(readme) if "curl" in block]
    good = True
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "examples").symlink_to(ROOT / "examples")
        (Path(folder) / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
        for block in blocks:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block.replace(_README_URL, base)],
                cwd=folder,
                env={**os.environ, "CURL_HOME": folder},
                capture_output=True,
                check=False,
            )
            if done.returncode:
                good = say(False, f"{block}{done.stdout[-300:]!r} {done.stderr[-300:]!r}")
    return say(good, f"{sum(b.count('curl ') for b in blocks)} curls of the README at {base}")


def _inspect(engine: list[str], name: str, template: str) -> str:
    command = [*engine, "inspect", "--format", template, name]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def hardened(engine: list[str], name: str) -> bool:
    """Check that the container is healthy, unprivileged and read-only, without capabilities."""
    probe = subprocess.run(
        [*engine, "exec", name, "python", "-c", _PROBE], capture_output=True, text=True, check=True
    ).stdout.split()
    uid, capabilities, no_new_privileges, read_only = probe
    health = _inspect(engine, name, "{{.State.Health.Status}}")
    good = health == "healthy" and uid != "0" and int(capabilities, 16) == 0
    return say(
        good and no_new_privileges == "1" and read_only == "True",
        f"{name}: {health}, uid {uid}, capabilities {capabilities}, no new privileges "
        f"{no_new_privileges}, read-only root {read_only}",
    )


@dataclass
class _Load:
    """Clients that send requests continuously, each over its own connections."""

    base: str
    pause_s: float = 0.0
    """Pause between a response and the next request."""
    over: threading.Event = field(default_factory=threading.Event)
    seen: list[tuple[str, float, float, str]] = field(default_factory=list)
    """Path, start and end time, and outcome of each request: `ok`, or the error."""

    @contextmanager
    def by(self, kinds: list[str]) -> Iterator["_Load"]:
        """Run the clients inside the block."""
        threads = [threading.Thread(target=self.ask, args=(kind,)) for kind in kinds]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self.over.set()
            for thread in threads:
                thread.join()

    def ask(self, kind: str) -> None:
        while not self.over.is_set():
            begun = time.monotonic()
            try:
                outcome = self._classify() if kind == "classify" else self._write()
            except (OSError, HTTPException) as error:
                outcome = type(error).__name__
            self.seen.append((kind, begun, time.monotonic(), outcome))
            self.over.wait(self.pause_s)

    def kept(self) -> bool:
        """Return True if every request succeeded; print those that did not."""
        lost = [request for request in self.seen if request[3] != "ok"]
        for kind, begun, over, outcome in lost:
            say(False, f"{kind} over after {over - begun:.2f} s: {outcome}")
        return not lost

    def _post(self, path: str, body: bytes, kind: str) -> tuple[int, bytes]:
        connection = HTTPConnection(urlsplit(self.base).netloc, timeout=60)
        try:
            connection.request("POST", path, body, {"Content-Type": kind})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _classify(self) -> str:
        image = (ROOT / "examples/cat.jpg").read_bytes()
        status, body = self._post("/v1/classify?top_k=1", image, "image/jpeg")
        good = status == 200 and b'"label":"cat"' in body
        return "ok" if good else f"{status} {body[:120]!r}"

    def _write(self) -> str:
        question = {"prompt": "ROMEO:", "max_chars": 400, "seed": 1, "stream": True}
        status, body = self._post("/v1/text", json.dumps(question).encode(), "application/json")
        good = status == 200 and body.endswith(b"data: [DONE]\n\n")
        return "ok" if good else f"{status} {body[-120:]!r}"


def _ready(base: str) -> set[tuple[str, int]]:
    """Return the models and versions that the responding replica serves."""
    connection = HTTPConnection(urlsplit(base).netloc, timeout=60)
    try:
        connection.request("GET", "/v1/models")
        models = json.load(connection.getresponse())["models"]
    finally:
        connection.close()
    return {
        (model["name"], version["version"])
        for model in models
        for version in model["versions"]
        if version["state"] == "ready"
    }


def follows(base: str, command: str) -> bool:
    """Check that the version the command publishes is served soon, without failed requests."""
    before = _ready(base)
    # Some processor is left for a training beside it.
    with _Load(base, pause_s=0.5).by(["classify", "text"]) as load:
        status = subprocess.run(shlex.split(command), cwd=ROOT, check=False).returncode
        published = time.monotonic()
        ready, in_a_row = before, 0
        while in_a_row < _WORKERS and time.monotonic() < published + _FOLLOW_S:
            ready = _ready(base)
            in_a_row = in_a_row + 1 if ready > before else 0
            time.sleep(0.1)
        took = time.monotonic() - published
    return say(
        status == 0 and in_a_row == _WORKERS and load.kept(),
        f"{command}: exit code {status}; new in the store {sorted(ready - before)}, by every "
        f"worker {took:.1f} s after it; {len(load.seen)} requests meanwhile",
    )


def undisturbed(base: str, command: str) -> bool:
    """Check that no request fails while the command runs."""
    with _Load(base).by(["classify", "text"] * (_CLIENTS // 2)) as load:
        begun = time.monotonic()
        status = subprocess.run(shlex.split(command), cwd=ROOT, check=False).returncode
        took = time.monotonic() - begun
        time.sleep(_KILL_AFTER_S)
    slowest = max(end - start for _, start, end, _ in load.seen)
    return say(
        status == 0 and load.kept(),
        f"{command}: exit code {status} after {took:.0f} s; "
        f"{dict(Counter(kind for kind, *_ in load.seen))} meanwhile, slowest {slowest:.2f} s",
    )


def killed_under_load(base: str, engine: list[str], name: str) -> bool:
    """Kill one replica with SIGKILL: no request sent afterwards may fail."""
    with _Load(base).by(["classify", "text"] * (_CLIENTS // 2)) as load:
        time.sleep(_KILL_AFTER_S)
        begun = time.monotonic()
        subprocess.run([*engine, "kill", "--signal", "KILL", name], capture_output=True, check=True)
        killed = time.monotonic()
        time.sleep(_SECONDS - _KILL_AFTER_S)
    lost = [request for request in load.seen if request[3] != "ok"]
    # The command takes a moment, and where in it the signal comes is not known.
    in_flight = [request for request in load.seen if request[1] < killed and request[2] > begun]
    later = [request for request in lost if request not in in_flight]
    before, after = (
        Counter(kind for kind, start, *_ in load.seen if (start > killed) is past)
        for past in (False, True)
    )
    for kind, start, end, outcome in lost:
        say(
            start < killed,
            f"{kind} begun {start - killed:+.2f} s, over {end - killed:+.2f} s: {outcome}",
        )
    slowest = max((end - start for _, start, end, _ in load.seen if start > killed), default=0.0)
    return say(
        not later and after.total() > 0,
        f"{name} killed: {dict(before)} begun before, {dict(after)} after; {len(in_flight)} in "
        f"flight, {len(lost)} lost, {len(later)} of them not in flight; slowest after "
        f"{slowest:.2f} s",
    )


def stops_by_itself(engine: list[str], name: str) -> bool:
    """Check that the container drains on SIGTERM and exits with 0."""
    subprocess.run([*engine, "stop", "-t", "35", name], capture_output=True, check=True)
    code = _inspect(engine, name, "{{.State.ExitCode}}")
    return say(code == "0", f"{name}: exit code {code} after SIGTERM")


if __name__ == "__main__":
    sys.exit(main())
