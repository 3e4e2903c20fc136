"""Load from wrk, which is written in C and takes some 2 % of what it measures here."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Load", "post"]

_SCRIPT = Path(__file__).with_name("post.lua")


@dataclass(frozen=True)
class Load:
    """What came of a stretch of load."""

    per_s: float
    p50_ms: float | None = None
    p99_ms: float | None = None


def post(url: str, body: Path, media_type: str, *, clients: int, seconds: float) -> Load:
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
    told = json.loads(done.stdout.splitlines()[-1])
    if told["failed"] or not told["requests"]:
        raise RuntimeError(f"{url}: {told['failed']} of {told['requests']} requests failed")
    return Load(told["requests"] / told["seconds"], told["p50_ms"], told["p99_ms"])
