"""Load from wrk, which is written in C and takes some 2 % of the CPU time of what it measures."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = Path(__file__).with_name("post.lua")


@dataclass(frozen=True)
class LoadResult:
    """Responses per second and their latency under a constant number of clients."""

    per_s: float
    p50_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None


def run_load(url: str, body: Path, media_type: str, *, clients: int, seconds: float) -> LoadResult:
    """Let each of `clients` post `body` to `url` again as soon as it has a response.

    `seconds` is rounded to whole seconds, which is all that wrk accepts.

    Raises:
        RuntimeError: wrk is not installed, or a request failed.
    """
    if shutil.which("wrk") is None:
        raise RuntimeError("this needs wrk (apt-get install wrk)")
    command = [
        "wrk", "-t1", f"-c{clients}", f"-d{max(1, round(seconds))}s", "--timeout", "30s",
        "-s", str(_SCRIPT), url, "--",
    ]  # fmt: skip
    done = subprocess.run(  # noqa: S603
        [*command, str(body), media_type], check=True, capture_output=True, text=True
    )
    output = json.loads(done.stdout.splitlines()[-1])
    if output["failed"] or not output["requests"]:
        raise RuntimeError(f"{url}: {output['failed']} of {output['requests']} requests failed")
    return LoadResult(
        output["requests"] / output["seconds"],
        output["p50_ms"],
        output["p99_ms"],
        output["max_ms"],
    )
