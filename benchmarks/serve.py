"""How many pictures a second, and how long each waits: ours, the limit, and a hand-written peer.

Three workloads: a small picture (32 × 32 PNG, ResNet-20) with 8 clients, a photograph (768 × 512
JPEG, MobileNetV2 at 224 × 224) with 8 clients and with one. Services have two workers, or as many
as there are cores, and run all the time; each is asked in turn. All get the file as the raw body.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks import report, servers
from benchmarks.bare_inference import Bare
from benchmarks.competitors.launch import OTHERS, Question, pythons
from benchmarks.interleaved_runs import Rounds, compete
from benchmarks.load import Load, post
from benchmarks.shelf import PHOTO, PICTURE, made
from models_store.verify import read_manifest
from service.runtime.cpu_limits import available_cores

__all__ = ["serve"]

_RUN, _LIMIT = "limit: run alone", "limit: decode and run"
_PEER = "hand-written FastAPI"


@dataclass(frozen=True)
class Workload:
    """What is asked for."""

    title: str
    model: str
    picture: Path
    media_type: str
    clients: int


WORKLOADS = {
    "small": Workload("32 × 32 PNG, ResNet-20, 8 clients", "resnet-20", PICTURE, "image/png", 8),
    "photo": Workload(
        "768 × 512 JPEG, MobileNetV2 224, 8 clients",
        "mobilenet-hymenoptera",
        PHOTO,
        "image/jpeg",
        8,
    ),
    "single": Workload(
        "768 × 512 JPEG, MobileNetV2 224, 1 client", "mobilenet-hymenoptera", PHOTO, "image/jpeg", 1
    ),
}


def serve(
    *,
    rounds: int,
    seconds: float,
    only: str | None,
    peers: list[str] | None = None,
    interpreters: list[str] | None = None,
) -> None:
    """Measure and write. `peers` and `interpreters` are as `others.pythons` takes them.

    Raises:
        RuntimeError: a peer is unknown, or a service does not start or answer.
    """
    python_of = pythons(peers or [], interpreters or [])  # made before anything runs
    store, cores = made(), available_cores()
    chosen = {name: work for name, work in WORKLOADS.items() if only in (None, name)}
    results: dict[str, Rounds] = {}
    with ExitStack() as stack:
        ours = stack.enter_context(servers.ours(store, workers=cores, log_level="warning"))
        for model in sorted({work.model for work in chosen.values()}):
            folder = store / model / "1"
            peer = stack.enter_context(servers.handwritten(folder, workers=cores))
            others = {
                name: stack.enter_context(OTHERS[name].serving(python, folder, cores))
                for name, python in python_of.items()
            }
            for name, work in chosen.items():
                if work.model == model:
                    contenders = {
                        **_limits(folder, work, cores),
                        _PEER: _asked(f"{peer.url}/v1/classify", work),
                        **{name: _other(name, other.url, work) for name, other in others.items()},
                        **_ours(ours.url, folder, work),
                    }
                    results[name] = compete(contenders, rounds=rounds, seconds=seconds)
    _write(chosen, results, rounds, seconds)


def _limits(folder: Path, work: Workload, cores: int) -> dict[str, Callable[[float], Load]]:
    if work.clients == 1:  # then the limit is a latency, not a rate
        cores = 1
    bare = Bare(folder, work.picture)
    return {
        _RUN: lambda seconds: bare.run(seconds, cores),
        _LIMIT: lambda seconds: bare.decode_and_run(seconds, cores),
    }


def _ours(url: str, folder: Path, work: Workload) -> dict[str, Callable[[float], Load]]:
    """In each precision that the model has."""
    asked = f"{url}/v1/classify?model={work.model}"
    precisions = ["fp32", *(variant.precision for variant in read_manifest(folder).variants)]
    if len(precisions) == 1:
        return {"deepshelf": _asked(asked, work)}
    return {f"deepshelf, {one}": _asked(f"{asked}&precision={one}", work) for one in precisions}


def _other(name: str, url: str, work: Workload) -> Callable[[float], Load]:
    question: Question = OTHERS[name].question(work.picture, work.media_type)
    return lambda seconds: post(
        f"{url}{question.path}",
        question.body,
        question.media_type,
        clients=work.clients,
        seconds=seconds,
    )


def _asked(url: str, work: Workload) -> Callable[[float], Load]:
    return lambda seconds: post(
        url, work.picture, work.media_type, clients=work.clients, seconds=seconds
    )


def _write(
    chosen: Mapping[str, Workload], results: Mapping[str, Rounds], rounds: int, seconds: float
) -> None:
    rows = []
    for key, result in results.items():
        for name in result.loads:
            low, high = result.spread(name)
            rows.append(
                [
                    chosen[key].title,
                    name,
                    f"{result.per_s(name):,.0f}",
                    f"{low:,.0f}–{high:,.0f}",
                    _ms(result.p50_ms(name)),
                    _ms(result.p99_ms(name)),
                    f"{result.ratio(name, _PEER):.2f}",
                    f"{result.ratio(name, _LIMIT):.2f}",
                ]
            )
    head = [
        "workload",
        "who",
        "a second",
        "rounds",
        "p50 ms",
        "p99 ms",
        "to hand-written",
        "to limit",
    ]
    text = report.table(head, rows)
    raw = {
        "rounds": rounds,
        "seconds": seconds,
        "loads": {key: result.raw() for key, result in results.items()},
    }
    panels = {
        chosen[key].title: {name: result.per_s(name) for name in result.loads}
        for key, result in results.items()
    }
    report.write("serve", text, raw)
    report.bars("serve", panels, "answers a second (median of rounds)")


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
