"""Walk the README from top to bottom in a fresh clone, in one shell, as a new user would.

    python -m tests.readme_walk [--skip TEXT …]

`make serve` runs in the background until the end. Installation commands in the prose (`pip install
…`, `. .venv/bin/activate`) run where they are read. A command fails the walk when it exits with an
error, prints a traceback or an error response, prints nothing where the README shows a response, or
prints another response than that. At the end, git must see no new file in the clone. Commands that
contain a TEXT of `--skip` are reported and left out. Uses port 8000, and the network for packages.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_STEP = re.compile(
    r"^```(?P<language>\w+)\n(?P<block>.*?)^```$|`(?P<prose>pip install [^`]*|\. [^`]*/activate)`",
    re.MULTILINE | re.DOTALL,
)
_FAILURE = re.compile(
    r"Traceback \(most recent call last\)|\"status\": ?[45]\d\d\b|^error: ", re.MULTILINE
)
_END = "end-of-the-command"
_READY_WITHIN_S = 600


class Shell:
    """One bash in a folder: variables, the directory and an activated environment persist."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            ["bash"],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: str) -> tuple[int, str]:
        """Return the exit status and the output of both streams."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the shell has no pipes")
        stdin.write(f"{command.rstrip()}\necho; echo {_END} $?\n")
        stdin.flush()
        lines: list[str] = []
        for line in stdout:
            if line.startswith(_END):
                return int(line.split()[1]), "".join(lines)
            lines.append(line)
        raise RuntimeError(f"the shell ended at: {command}")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def steps(readme: str) -> Iterator[tuple[str, str]]:
    """Yield the language and text of each block and command, in order."""
    for match in _STEP.finditer(readme):
        if match["prose"]:
            yield "sh", match["prose"]
        elif match["language"] == "console":
            for line in match["block"].splitlines():
                yield "sh", line.removeprefix("$ ").partition("    #")[0].strip()
        else:
            yield match["language"], match["block"]


def walk(clone: Path, skipped: list[str]) -> list[str]:
    """Run every step in the clone; return what went wrong."""
    problems: list[str] = []
    service: subprocess.Popen[bytes] | None = None
    shell, output = Shell(clone), ""
    shell.run(
        "printf 'fail-with-body\\nsilent\\nshow-error\\n' > ../.curlrc; export CURL_HOME=$PWD/.."
    )
    try:
        for language, text in steps((clone / "README.md").read_text(encoding="utf-8")):
            print(f"--- {text.strip()}", flush=True)
            if any(skip in text for skip in skipped):
                print("    skipped", flush=True)
            elif text.startswith("make serve"):
                service = subprocess.Popen(["make", "serve"], cwd=clone, start_new_session=True)
                _wait_until_ready()
            elif language == "json":
                if not _same(json.loads(text), json.loads(output)):
                    problems.append(f"the README shows\n{text}the service responds\n{output}")
            else:
                command = f"python - <<'PROGRAM'\n{text}PROGRAM" if language == "python" else text
                status, output = shell.run(command)
                if status or _FAILURE.search(output):
                    problems.append(f"{text}\nexited with {status}: {output[-1500:]}")
    finally:
        shell.close()
        if service is not None:
            os.killpg(service.pid, signal.SIGTERM)  # make and the service
            service.wait()
    new = subprocess.run(
        ["git", "status", "--porcelain"], cwd=clone, capture_output=True, text=True, check=True
    ).stdout
    return [*problems, *([f"git sees new files in the clone:\n{new}"] if new else [])]


def _wait_until_ready() -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen("http://127.0.0.1:8000/readyz", timeout=5):
                return
        except OSError:
            time.sleep(1)
    raise TimeoutError(f"the service is not ready after {_READY_WITHIN_S} s")


def _same(shown: object, received: object) -> bool:
    """Return True if the numbers are equal, fractions up to 0.002."""
    if isinstance(shown, float) and isinstance(received, float):
        return abs(shown - received) <= 2e-3
    if isinstance(shown, dict) and isinstance(received, dict):
        return shown.keys() == received.keys() and all(
            _same(value, received[key]) for key, value in shown.items()
        )
    if isinstance(shown, list) and isinstance(received, list):
        return len(shown) == len(received) and all(map(_same, shown, received))
    return shown == received


def main() -> int:
    """Clone HEAD, run its README, and print a report; return 1 if a command fails."""
    parser = argparse.ArgumentParser(description="Walk the README in a fresh clone.")
    parser.add_argument("--skip", action="append", default=[], metavar="TEXT")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "deepshelf"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        problems = walk(clone, options.skip)
        # Before the clone is removed, which takes minutes on a busy disk.
        for problem in problems:
            print(f"FAIL {problem}")
        print(
            "the README works as shown" if not problems else f"{len(problems)} problems", flush=True
        )
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
