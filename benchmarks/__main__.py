"""Speed benchmarks: compare the service with a limit or a competitor, interleaved in one run.

Prints a table, and writes it to `build/benchmarks/` with all figures as JSON and a plot. Results
are published in `docs/benchmarks.md`.
"""

import argparse
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Run one benchmark; return 1 after printing the reason if it cannot run here."""
    options = _parser().parse_args(arguments)
    try:
        _measure(options)
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _measure(options: argparse.Namespace) -> None:
    # Imported here, so that each benchmark imports only the packages that it needs.
    if options.what == "serve":
        from benchmarks.serve import serve

        serve(
            rounds=options.rounds,
            seconds=options.seconds,
            only=options.only,
            clients=options.clients,
            peers=options.peer,
            interpreters=options.peer_python,
        )
    elif options.what == "batching":
        from benchmarks.batching import batching

        batching(
            rounds=options.rounds,
            seconds=options.seconds,
            clients=options.clients,
            peers=options.peer,
            interpreters=options.peer_python,
        )
    elif options.what == "text":
        from benchmarks.text import text

        text(
            rounds=options.rounds,
            model=options.model,
            streams=options.streams,
            alike=options.alike,
        )
    elif options.what == "cold":
        from benchmarks.startup_and_memory import measure_startup

        measure_startup(rounds=options.rounds)
    elif options.what == "memory":
        from benchmarks.startup_and_memory import measure_memory

        measure_memory()
    elif options.what == "training-commands":
        from benchmarks.training_commands import measure_training_commands

        measure_training_commands(rounds=options.rounds, busy=options.busy, photos=options.photos)
    else:
        from benchmarks.train import train

        train(rounds=options.rounds, steps=options.steps, recipes=options.recipes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="what", required=True)
    serve = commands.add_parser(
        "serve", help="image requests per second over HTTP, and their latency"
    )
    serve.add_argument("--rounds", type=int, default=5)
    serve.add_argument(
        "--seconds", type=float, default=2.0, help="seconds of each contender in a round"
    )
    serve.add_argument("--only", choices=("small", "photo", "single"))
    serve.add_argument(
        "--clients",
        type=_parse_counts,
        metavar="N,N,…",
        help="numbers of clients to measure the concurrent workloads with",
    )
    _add_peer_options(serve, "litserve, bentoml, mlserver or ray")
    batching = commands.add_parser("batching", help="rows per second with dynamic batching")
    batching.add_argument("--rounds", type=int, default=5)
    batching.add_argument("--seconds", type=float, default=2.0)
    batching.add_argument("--clients", type=_parse_counts, metavar="N,N,…", default=[1, 8, 64])
    _add_peer_options(batching, "litserve or bentoml")
    text = commands.add_parser(
        "text", help="concurrent text generation, and the time to the first character"
    )
    text.add_argument("--rounds", type=int, default=5)
    text.add_argument("--streams", type=int, default=32)
    text.add_argument("--model", default="charnn-shakespeare")
    text.add_argument("--alike", action="store_true", help="send the same prompt in all requests")
    cold = commands.add_parser("cold", help="seconds from start to ready")
    cold.add_argument("--rounds", type=int, default=5)
    commands.add_parser("memory", help="memory of the service in MiB, for each model")
    train = commands.add_parser("train", help="the training loop against a plain one")
    train.add_argument("--rounds", type=int, default=5)
    train.add_argument("--steps", type=int, default=30)
    train.add_argument("recipes", nargs="*", default=["resnet-digits", "charnn-tiny"])
    timed = commands.add_parser(
        "training-commands", help="seconds of training commands, beside busy processes"
    )
    timed.add_argument("--rounds", type=int, default=3)
    timed.add_argument("--busy", type=int, default=2, help="processes that keep a core busy")
    timed.add_argument(
        "--photos", type=Path, metavar="FOLDER", help="also measure transfer with this folder"
    )
    return parser


def _parse_counts(text: str) -> list[int]:
    return [int(count) for count in text.split(",")]


def _add_peer_options(parser: argparse.ArgumentParser, names: str) -> None:
    parser.add_argument(
        "--peer", action="append", help=f"also measure this server, in its own environment: {names}"
    )
    parser.add_argument(
        "--peer-python",
        action="append",
        metavar="NAME=PATH",
        help="interpreter of a peer's environment; default: one is created in build/",
    )


if __name__ == "__main__":
    sys.exit(main())
