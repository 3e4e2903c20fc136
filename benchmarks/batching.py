"""Dynamic batching against one run per request and other servers: rows per second and latency.

Requests with one row as JSON to two graphs: a small dense encoder (autoencoder-mnist-dense, a run
takes 0.08 ms) and a wide dense net (256 → 2048 → 2048 → 2048 → 10 with random weights, 9 million
parameters), whose runs read all weights for any number of rows. Then `/v1/compress` with a digit
as PNG, which runs the encoder and the decoder of autoencoder-mnist-dense. Services have as many
processes or threads as there are cores, and run all the time; they are measured in turns. The
limits are runs of the graph alone, on a thread per core. A second table has the processor time of a
request without HTTP.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks import report, servers
from benchmarks.bare_inference import run_in_threads
from benchmarks.batching_in_process import cpu_us_per_request
from benchmarks.batching_workloads import (
    GraphRow,
    Workload,
    create_store,
    load_workloads,
    write_body,
)
from benchmarks.competitors.launch import BATCHING_COMPETITORS, competitor_interpreters
from benchmarks.interleaved_runs import Contender, InterleavedRuns, run_interleaved
from benchmarks.load import LoadResult, run_load
from models_store.onnx.batching import repeat_rows
from service.runtime.cpu_limits import available_cores

_OFF = "deepshelf, a run per request"
_IN_PROCESS_SIZES = (1, 8, 32)


def batching(
    *,
    rounds: int,
    seconds: float,
    clients: list[int],
    peers: list[str] | None = None,
    interpreters: list[str] | None = None,
) -> None:
    """Measure and write a report. Takes the arguments of `serve`."""
    pythons = competitor_interpreters(peers or [], interpreters or [])
    results: dict[tuple[str, int], InterleavedRuns] = {}
    store = create_store()
    with ExitStack() as stack:
        on, off = (
            stack.enter_context(servers.deepshelf_server(store, log_level="warning", **settings))
            for settings in ({}, {"batching": "off"})
        )
        workloads = load_workloads()
        for workload in workloads:
            with _competitors(workload, pythons) as urls:
                for count in clients:
                    contenders = {
                        **_bare_contenders(workload.graph),
                        _OFF: _service_contender(off, workload, count),
                        "deepshelf": _service_contender(on, workload, count),
                        **{name: _http_contender(*target, count) for name, target in urls.items()},
                    }
                    results[workload.title, count] = run_interleaved(
                        contenders, rounds=rounds, seconds=seconds
                    )
    _write_results(workloads, results, rounds, seconds)


@contextmanager
def _competitors(
    workload: Workload, pythons: Mapping[str, Path]
) -> Iterator[dict[str, tuple[str, Path]]]:
    """Yield the URL and the body for each competitor, with the workload's batch limits."""
    graph = workload.graph
    if graph is None:
        yield {}
        return
    with ExitStack() as stack:
        targets = {}
        for name, python in pythons.items():
            peer = BATCHING_COMPETITORS[name]
            environment = {
                "PEER_MAX_BATCH_SIZE": str(max(graph.limits.max_batch_size, 2)),
                "PEER_MAX_WAIT_MS": str(graph.limits.max_wait_ms or 2),
            }
            server = stack.enter_context(
                peer.launch(python, graph.folder, available_cores(), environment)
            )
            row: object = graph.row if name == "litserve" else [graph.row]
            body = write_body(f"{workload.name}-{name}.json", json.dumps({"x": row}).encode())
            targets[f"{name}, batching"] = (f"{server.url}/predict", body)
        yield targets


def _service_contender(server: servers.Server, workload: Workload, clients: int) -> Contender:
    url = f"{server.url}{workload.path}?model={workload.name}"
    return _http_contender(url, workload.body, clients, workload.media_type)


def _http_contender(
    url: str, body: Path, clients: int, media_type: str = "application/json"
) -> Contender:
    return lambda seconds: run_load(url, body, media_type, clients=clients, seconds=seconds)


def _bare_contenders(graph: GraphRow | None) -> dict[str, Contender]:
    """Return runs of the graph alone, with single rows and full batches, in rows per second."""
    if graph is None:
        return {}
    session, case_inputs = graph.open()

    def contender(size: int) -> Contender:
        inputs = repeat_rows(case_inputs, size)

        def run(seconds: float) -> LoadResult:
            result = run_in_threads(lambda: session.run(inputs), seconds, available_cores())
            return LoadResult(result.per_s * size)

        return run

    sizes = sorted({1, graph.limits.max_batch_size})
    return {f"limit: runs of {size} rows": contender(size) for size in sizes}


def _write_results(
    workloads: list[Workload],
    results: Mapping[tuple[str, int], InterleavedRuns],
    rounds: int,
    seconds: float,
) -> None:
    graphs = {workload.title: workload.graph for workload in workloads if workload.graph}
    cpu_rows = [_cpu_row(title, graph) for title, graph in graphs.items()]
    tables = [
        report.format_table(
            ["graph", "clients", "service", "rows per second", "range of rounds", "p50 ms",
             "p99 ms", "to a run per request"],
            [row for key, runs in results.items() for row in _load_rows(*key, runs)],
        ),
        report.format_table(
            ["graph", "rows", "runs/s", "rows/s"],
            [
                [title, str(m.size), f"{m.runs_per_s:,.0f}", f"{m.rows_per_s:,.0f}"]
                for title, graph in graphs.items()
                for m in graph.limits.measured
            ],
        ),
        report.format_table(
            ["processor time of a request, µs", "a run each",
             *(f"batches of {size}" for size in _IN_PROCESS_SIZES[1:])],
            cpu_rows,
        ),
    ]  # fmt: skip
    raw = {
        "rounds": rounds,
        "seconds": seconds,
        "limits": {title: graph.limits.model_dump() for title, graph in graphs.items()},
        "cpu_us": cpu_rows,
        "loads": {f"{title}, {count}": runs.to_dict() for (title, count), runs in results.items()},
    }
    report.write_report("batching", "\n\n".join(tables), raw)


def _load_rows(title: str, clients: int, runs: InterleavedRuns) -> Iterator[list[str]]:
    for name in runs.loads:
        low, high = runs.rate_range(name)
        latency = [runs.p50_ms(name), runs.p99_ms(name)]
        yield [
            title,
            str(clients),
            name,
            f"{runs.per_s(name):,.0f}",
            f"{low:,.0f}–{high:,.0f}",
            *("" if value is None else f"{value:.1f}" for value in latency),
            f"{runs.ratio(name, _OFF):.2f}",
        ]


def _cpu_row(title: str, graph: GraphRow) -> list[str]:
    session, inputs = graph.open()
    times = [cpu_us_per_request(session, inputs, size) for size in _IN_PROCESS_SIZES]
    return [title, *(f"{time_us:,.0f}" for time_us in times)]
