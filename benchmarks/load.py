"""Load from wrk, which is written in C and takes some 2 % of what it measures here."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["LoadResult", "run_load"]

_SCRIPT = Path(__file__).with_name("post.lua")


@dataclass(frozen=True)
class LoadResult:
    """What came of a stretch of load."""

    per_s: float
    p50_ms: float | None = None
    p99_ms: float | None = None


def run_load(url: str, body: Path, media_type: str, *, clients: int, seconds: float) -> LoadResult:
    """Let `clients` post `body` to `url` again and again, each as soon as it has its answer.

    Whole seconds, because wrk knows no others.

    Raises:
        RuntimeError: wrk is not installed, or a request failed.
    """
    if shutil.which("wrk") is None:
        raise RuntimeError("this needs wrk (apt-get install wrk)")
    command = [
        "wrk",
        "-t1",
        f"-c{clients}",
        f"-d{max(1, round(seconds))}s",
        "-s",
        str(_SCRIPT),
        url,
        "--",
    ]
    done = subprocess.run(  # noqa: S603
        [*command, str(body), media_type], check=True, capture_output=True, text=True
    )
    output = json.loads(done.stdout.splitlines()[-1])
    if output["failed"] or not output["requests"]:
        raise RuntimeError(f"{url}: {output['failed']} of {output['requests']} requests failed")
    return LoadResult(output["requests"] / output["seconds"], output["p50_ms"], output["p99_ms"])
