"""Images per second and latency: ours, the bare computation, and a hand-written service.

Three workloads: a small image (32 × 32 PNG, ResNet-20) with 8 clients, a photograph (768 × 512
JPEG, MobileNetV2 at 224 × 224) with 8 clients and with one. `--clients 8,64,128,256` measures the
first two with each of these numbers of clients instead, which shows how fair a service is: compare
p99 and the slowest response with p50. Ours runs with its defaults, the hand-written service with a
worker per core. All services run all the time and are measured in turns. All get the file as the
raw body.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import report, servers
from benchmarks.bare_inference import BareInference
from benchmarks.competitors.launch import COMPETITORS, CompetitorRequest, competitor_interpreters
from benchmarks.interleaved_runs import InterleavedRuns, run_interleaved
from benchmarks.load import LoadResult, run_load
from benchmarks.model_store import PHOTO, SMALL_IMAGE, create_store
from models_store.layout import list_versions, version_dir
from models_store.verify import read_manifest
from service.runtime.cpu_limits import available_cores

_RUN, _LIMIT = "limit: run alone", "limit: decode and run"
_PEER = "hand-written FastAPI"


@dataclass(frozen=True)
class Workload:
    """One kind of request, and how many clients send it."""

    title: str
    model: str
    image: Path
    media_type: str
    clients: int


WORKLOADS = {
    "small": Workload("32 × 32 PNG, ResNet-20", "resnet-20", SMALL_IMAGE, "image/png", 8),
    "photo": Workload(
        "768 × 512 JPEG, MobileNetV2 224",
        "mobilenet-hymenoptera",
        PHOTO,
        "image/jpeg",
        8,
    ),
    "single": Workload(
        "768 × 512 JPEG, MobileNetV2 224", "mobilenet-hymenoptera", PHOTO, "image/jpeg", 1
    ),
}


def serve(
    *,
    rounds: int,
    seconds: float,
    only: str | None,
    clients: list[int] | None = None,
    peers: list[str] | None = None,
    interpreters: list[str] | None = None,
) -> None:
    """Measure and write a report.

    With `clients`, measure throughput workloads with each of these numbers of clients. `peers` and
    `interpreters` are as `competitor_interpreters` takes them.

    Raises:
        RuntimeError: a peer is unknown, or a service does not start or answer.
    """
    interpreters_by_name = competitor_interpreters(
        peers or [], interpreters or []
    )  # made before anything runs
    store, cores = create_store(), available_cores()
    workloads = _select_workloads(only, clients)
    results: dict[str, InterleavedRuns] = {}
    with ExitStack() as stack:
        deepshelf = stack.enter_context(servers.deepshelf_server(store, log_level="warning"))
        for model in sorted({workload.model for workload in workloads.values()}):
            folder = version_dir(store, model, max(list_versions(store, model)))
            peer = stack.enter_context(servers.handwritten_server(folder, workers=cores))
            competitors = {
                name: stack.enter_context(COMPETITORS[name].launch(python, folder, cores))
                for name, python in interpreters_by_name.items()
            }
            for name, workload in workloads.items():
                if workload.model == model:
                    contenders = {
                        **_bare_contenders(folder, workload, cores),
                        _PEER: _http_contender(f"{peer.url}/v1/classify", workload),
                        **{
                            name: _competitor_contender(name, other.url, workload)
                            for name, other in competitors.items()
                        },
                        **_deepshelf_contenders(deepshelf.url, folder, workload),
                    }
                    results[name] = run_interleaved(contenders, rounds=rounds, seconds=seconds)
    _write_results(workloads, results, rounds, seconds)


def _select_workloads(only: str | None, clients: list[int] | None) -> dict[str, Workload]:
    workloads = {name: workload for name, workload in WORKLOADS.items() if only in (None, name)}
    if clients is None:
        return workloads
    return {
        f"{name}-{count}": replace(workload, clients=count)
        for name, workload in workloads.items()
        if workload.clients > 1
        for count in clients
    }


def _bare_contenders(
    folder: Path, workload: Workload, cores: int
) -> dict[str, Callable[[float], LoadResult]]:
    if workload.clients == 1:  # the limit is a latency, not a rate
        cores = 1
    bare_inference = BareInference(folder, workload.image)
    return {
        _RUN: lambda seconds: bare_inference.run(seconds, cores),
        _LIMIT: lambda seconds: bare_inference.decode_and_run(seconds, cores),
    }


def _deepshelf_contenders(
    url: str, folder: Path, workload: Workload
) -> dict[str, Callable[[float], LoadResult]]:
    """Return a contender for each precision that the model has."""
    url_with_model = f"{url}/v1/classify?model={workload.model}"
    precisions = ["fp32", *(variant.precision for variant in read_manifest(folder).variants)]
    if len(precisions) == 1:
        return {"deepshelf": _http_contender(url_with_model, workload)}
    return {
        f"deepshelf, {precision}": _http_contender(
            f"{url_with_model}&precision={precision}", workload
        )
        for precision in precisions
    }


def _competitor_contender(name: str, url: str, workload: Workload) -> Callable[[float], LoadResult]:
    request: CompetitorRequest = COMPETITORS[name].build_request(
        workload.image, workload.media_type
    )
    return lambda seconds: run_load(
        f"{url}{request.path}",
        request.body,
        request.media_type,
        clients=workload.clients,
        seconds=seconds,
    )


def _http_contender(url: str, workload: Workload) -> Callable[[float], LoadResult]:
    return lambda seconds: run_load(
        url, workload.image, workload.media_type, clients=workload.clients, seconds=seconds
    )


def _write_results(
    workloads: Mapping[str, Workload],
    results: Mapping[str, InterleavedRuns],
    rounds: int,
    seconds: float,
) -> None:
    rows = []
    for key, result in results.items():
        for name in result.loads:
            low, high = result.rate_range(name)
            rows.append(
                [
                    workloads[key].title,
                    str(workloads[key].clients),
                    name,
                    f"{result.per_s(name):,.0f}",
                    f"{low:,.0f}–{high:,.0f}",
                    _ms(result.p50_ms(name)),
                    _ms(result.p99_ms(name)),
                    _ms(result.max_ms(name)),
                    f"{result.ratio(name, _PEER):.2f}",
                    f"{result.ratio(name, _LIMIT):.2f}",
                ]
            )
    head = [
        "workload",
        "clients",
        "service",
        "per second",
        "range of rounds",
        "p50 ms",
        "p99 ms",
        "slowest ms",
        "to hand-written",
        "to limit",
    ]
    text = report.format_table(head, rows)
    raw = {
        "rounds": rounds,
        "seconds": seconds,
        "loads": {key: result.to_dict() for key, result in results.items()},
    }
    panels = {
        f"{workloads[key].title}, {workloads[key].clients} clients": {
            name: result.per_s(name) for name in result.loads
        }
        for key, result in results.items()
    }
    report.write_report("serve", text, raw)
    report.draw_bars("serve", panels, "responses per second (median of rounds)")


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
