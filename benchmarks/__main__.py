"""Speed benchmarks: compare the service with a limit or a competitor, interleaved in one run.

Prints a table, and writes it to `build/benchmarks/` with all figures as JSON and a plot. Results
are published in `docs/benchmarks.md`.
"""

import argparse
import sys

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Measure what was asked for; 1 with a reason where that cannot be done here."""
    options = _parser().parse_args(arguments)
    try:
        _measure(options)
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _measure(options: argparse.Namespace) -> None:
    # Imported here: what a service is measured beside must not weigh on it.
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
    elif options.what == "cost":
        from benchmarks.body_cost import measure_body_cost

        measure_body_cost(rounds=options.rounds)
    else:
        from benchmarks.train import train

        train(rounds=options.rounds, steps=options.steps, recipes=options.recipes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="what", required=True)
    serve = commands.add_parser("serve", help="pictures a second over HTTP, and their latency")
    serve.add_argument("--rounds", type=int, default=5)
    serve.add_argument("--seconds", type=float, default=2.0, help="of each contender in a round")
    serve.add_argument("--only", choices=("small", "photo", "single"))
    serve.add_argument(
        "--clients",
        type=_parse_counts,
        metavar="N,N,…",
        help="measure the workloads of several clients with each of these numbers of them",
    )
    _add_peer_options(serve, "litserve, bentoml, mlserver or ray")
    batching = commands.add_parser("batching", help="rows a second with dynamic batching")
    batching.add_argument("--rounds", type=int, default=5)
    batching.add_argument("--seconds", type=float, default=2.0)
    batching.add_argument("--clients", type=_parse_counts, metavar="N,N,…", default=[1, 8, 64])
    _add_peer_options(batching, "litserve or bentoml")
    text = commands.add_parser("text", help="texts at the same time, and their first characters")
    text.add_argument("--rounds", type=int, default=5)
    text.add_argument("--streams", type=int, default=32)
    text.add_argument("--model", default="charnn-shakespeare")
    text.add_argument("--alike", action="store_true", help="let all ask with the same prompt")
    cold = commands.add_parser("cold", help="seconds from the start until it is ready")
    cold.add_argument("--rounds", type=int, default=5)
    commands.add_parser("memory", help="MiB of the service, for each model")
    cost = commands.add_parser("cost", help="ms of bodies that are made to cost much, by reader")
    cost.add_argument("--rounds", type=int, default=3)
    train = commands.add_parser("train", help="our training loop beside a plain one")
    train.add_argument("--rounds", type=int, default=5)
    train.add_argument("--steps", type=int, default=30)
    train.add_argument("recipes", nargs="*", default=["resnet-digits", "charnn-tiny"])
    return parser


def _parse_counts(text: str) -> list[int]:
    return [int(count) for count in text.split(",")]


def _add_peer_options(parser: argparse.ArgumentParser, names: str) -> None:
    parser.add_argument(
        "--peer", action="append", help=f"also measure it, in an environment of its own: {names}"
    )
    parser.add_argument(
        "--peer-python",
        action="append",
        metavar="NAME=PATH",
        help="interpreter of a peer's environment; without, one is made in build/",
    )


if __name__ == "__main__":
    sys.exit(main())
