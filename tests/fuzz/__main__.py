"""`python -m tests.fuzz TARGET [--seconds 60]`; findings are written to build/fuzz/TARGET/."""

import argparse
import re
import subprocess
import sys
from pathlib import Path

NAMES = ("image", "code", "v2-json", "v2-binary", "form", "text", "predict", "game")
WORK_DIR = Path("build/fuzz")
_LINE = re.compile(r"^#\d+\s+(?:INITED|DONE)\s+cov: (\d+) ft: (\d+) corp: (\d+)/", re.MULTILINE)


def main() -> int:
    """Return 0 if nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=[*NAMES, "all"])
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument(
        "--here", action="store_true", help="fuzz in this process, with libFuzzer's own output"
    )
    parser.add_argument("--hang", type=int, default=20, help="seconds that one input may take")
    options = parser.parse_args()
    if options.here:
        return _run_fuzzer(options.target, options.seconds, options.hang)
    names = NAMES if options.target == "all" else (options.target,)
    print("target     executions  per s  coverage (edges, features)  inputs kept  findings")
    return max([_run_and_report(name, options.seconds, options.hang) for name in names])


def _run_and_report(name: str, seconds: int, timeout_s: int) -> int:
    """Run one target in a separate process, because libFuzzer exits, and print a line."""
    (WORK_DIR / name).mkdir(parents=True, exist_ok=True)
    log = WORK_DIR / name / "log.txt"
    command = [sys.executable, "-m", "tests.fuzz", name, "--here"]
    command += ["--seconds", str(seconds), "--hang", str(timeout_s)]
    with log.open("w") as file:
        code = subprocess.run(command, stdout=file, stderr=file).returncode  # noqa: PLW1510
    text = log.read_text(errors="replace")
    runs = re.search(r"number_of_executed_units: (\d+)", text)
    lines = _LINE.findall(text)
    if runs is None or len(lines) < 2:
        print(f"{name:10} stopped with {code}: see {log}; findings are in the same folder")
        return 1
    (edges, features, _), (last_edges, last_features, kept) = lines[0], lines[-1]
    print(
        f"{name:10} {int(runs[1]):>10,} {int(runs[1]) // seconds:>6,}  {edges} → {last_edges}, "
        f"{features} → {last_features}  {kept:>11}  {int(code != 0)}"
    )
    return int(code != 0)


def _run_fuzzer(name: str, seconds: int, timeout_s: int) -> int:
    import atheris

    # Modules imported from here on are instrumented for coverage.
    with atheris.instrument_imports(include=["service", "models_store", "python_multipart", "PIL"]):
        from tests.fuzz.targets import TARGETS

    target = TARGETS[name]
    corpus, seeds = WORK_DIR / name / "corpus", WORK_DIR / name / "seeds"
    for folder in (corpus, seeds):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        (seeds / str(number)).write_bytes(seed)
    dictionary = WORK_DIR / name / "words"
    dictionary.write_text("".join(f'"{_escape(word)}"\n' for word in target.dictionary))
    options = {
        "max_total_time": seconds,
        "max_len": target.max_input_bytes,
        "dict": dictionary,
        "timeout": timeout_s,
        "rss_limit_mb": 3000,
        "artifact_prefix": f"{WORK_DIR / name}/",
        "print_final_stats": 1,
        "seed": 1,
    }
    if not target.dictionary:  # an empty dictionary is an error
        del options["dict"]
    flags = [f"-{option}={value}" for option, value in options.items()]
    atheris.Setup([sys.argv[0], str(corpus), str(seeds), *flags], target.create_runner())
    atheris.Fuzz()
    return 0


def _escape(word: str) -> str:
    return "".join(c if c.isalnum() or c in " -*=;:/'." else f"\\x{ord(c):02x}" for c in word)


if __name__ == "__main__":
    sys.exit(main())
