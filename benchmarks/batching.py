"""Dynamic batching against one run per request and other servers: rows per second and latency.

Each request has one row as JSON. Two graphs: a small dense encoder (autoencoder-mnist-dense, a
run takes 0.08 ms) and a wide dense net (256 → 2048 → 2048 → 2048 → 10 with random weights, 9
million parameters), whose runs read all weights for any number of rows. Services have as many
processes or threads as there are cores, and run all the time; they are measured in turns. The
limits are runs of the graph alone, on a thread per core. A second table has the processor time of a
request without HTTP.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks import report, servers
from benchmarks.bare_inference import run_in_threads
from benchmarks.batching_in_process import cpu_us_per_request
from benchmarks.competitors.launch import BATCHING_COMPETITORS, competitor_interpreters
from benchmarks.interleaved_runs import Contender, InterleavedRuns, run_interleaved
from benchmarks.load import LoadResult, run_load
from models_store.batching import Batching
from models_store.manifest import Manifest, ModelFile
from models_store.onnx.batching import repeat_rows
from models_store.verify import TensorMap, read_golden_cases, read_manifest
from service.runtime.cpu_limits import available_cores
from service.runtime.session import Session

__all__ = ["batching"]

_FOLDER = Path("build/benchmarks/batching")
_STORE = _FOLDER / "store"
_OFF = "deepshelf, a run per request"
_IN_PROCESS_SIZES = (1, 8, 32)


@dataclass(frozen=True)
class Workload:
    """A published graph, and one row for it."""

    name: str
    title: str
    folder: Path
    input_name: str
    row: list[object]
    limits: Batching


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
    with ExitStack() as stack:
        on, off = (
            stack.enter_context(
                servers.deepshelf_server(_create_store(), log_level="warning", **settings)
            )
            for settings in ({}, {"batching": "off"})
        )
        workloads = [_load_workload(name, title) for name, title in _WORKLOADS]
        for workload in workloads:
            with _competitors(workload, pythons) as urls:
                for count in clients:
                    load = partial(_http_contender, clients=count)
                    contenders: dict[str, Contender] = {
                        **_bare_contenders(workload),
                        _OFF: load(_predict_url(off, workload), _predict_body(workload)),
                        "deepshelf": load(_predict_url(on, workload), _predict_body(workload)),
                        **{name: load(*target) for name, target in urls.items()},
                    }
                    results[workload.title, count] = run_interleaved(
                        contenders, rounds=rounds, seconds=seconds
                    )
    _write_results(workloads, results, rounds, seconds)


_WORKLOADS = (
    ("mnist-encoder", "dense encoder, 784 → 64"),
    ("wide-mlp", "wide dense net, 256 → 3 × 2048 → 10"),
)


def _create_store() -> Path:
    """Publish both graphs with `deepshelf models add`, once: it measures their batches."""
    if not (_STORE / "wide-mlp" / "1").is_dir():
        shutil.rmtree(_FOLDER, ignore_errors=True)
        _STORE.mkdir(parents=True)
        wide = _FOLDER / "wide-mlp.onnx"
        wide.write_bytes(_wide_network())
        encoder = Path("models_store/autoencoder-mnist-dense/1/encoder.onnx")
        for path, name in ((encoder, "mnist-encoder"), (wide, "wide-mlp")):
            command = ["-m", "deepshelf", "models", "--store", str(_STORE), "add", str(path)]
            subprocess.run([sys.executable, *command, "--name", name], check=True)  # noqa: S603
    return _STORE


def _wide_network() -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    random, sizes = np.random.default_rng(0), (256, 2048, 2048, 2048, 10)
    nodes, weights, tensor = [], [], "x"
    for index, (inputs, outputs) in enumerate(pairwise(sizes)):
        matrix = random.standard_normal((inputs, outputs), np.float32) / np.float32(inputs**0.5)
        weights.append(numpy_helper.from_array(matrix, f"w{index}"))
        last = outputs == sizes[-1]
        product = "y" if last else f"product{index}"
        nodes.append(helper.make_node("MatMul", [tensor, f"w{index}"], [product]))
        if not last:
            tensor = f"relu{index}"
            nodes.append(helper.make_node("Relu", [product], [tensor]))
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])
        for name, size in (("x", sizes[0]), ("y", sizes[-1]))
    ]
    graph = helper.make_graph(nodes, "wide", values[:1], values[1:], weights)
    opsets = [helper.make_opsetid("", 17)]
    content: bytes = helper.make_model(
        graph, opset_imports=opsets, ir_version=8
    ).SerializeToString()
    return content


def _load_workload(name: str, title: str) -> Workload:
    folder = _STORE / name / "1"
    manifest, spec, inputs = _read_graph(folder)
    (input_name,) = inputs
    row = inputs[input_name][0].tolist()
    return Workload(name, title, folder, input_name, row, manifest.batching[spec.path])


def _read_graph(folder: Path) -> tuple[Manifest, ModelFile, TensorMap]:
    """Return the manifest, its graph and the inputs of the first golden case."""
    manifest = read_manifest(folder)
    spec = manifest.get_file("model")
    golden = folder / manifest.get_file("golden").path
    case = next(iter(read_golden_cases(golden, spec, 1)))
    return manifest, spec, case.inputs


@contextmanager
def _competitors(
    workload: Workload, pythons: Mapping[str, Path]
) -> Iterator[dict[str, tuple[str, Path]]]:
    """Yield the URL and the body for each competitor, with the workload's batch limits."""
    limits, cores = workload.limits, available_cores()
    environment = {
        "PEER_MAX_BATCH_SIZE": str(max(limits.max_batch_size, 2)),
        "PEER_MAX_WAIT_MS": str(limits.max_wait_ms or 2),
    }
    with ExitStack() as stack:
        targets = {}
        for name, python in pythons.items():
            peer = BATCHING_COMPETITORS[name]
            server = stack.enter_context(peer.launch(python, workload.folder, cores, environment))
            row: object = workload.row if name == "litserve" else [workload.row]
            body = _write_body(f"{workload.name}-{name}", {"x": row})
            targets[f"{name}, batching"] = (f"{server.url}/predict", body)
        yield targets


def _predict_url(server: servers.Server, workload: Workload) -> str:
    return f"{server.url}/v1/predict?model={workload.name}"


def _predict_body(workload: Workload) -> Path:
    return _write_body(workload.name, {"inputs": {workload.input_name: [workload.row]}})


def _write_body(name: str, content: object) -> Path:
    path = _FOLDER / f"{name}.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def _http_contender(url: str, body: Path, *, clients: int) -> Callable[[float], LoadResult]:
    return lambda seconds: run_load(url, body, "application/json", clients=clients, seconds=seconds)


def _open_graph(workload: Workload) -> tuple[Session, TensorMap]:
    """Return the graph and its first golden inputs."""
    _, spec, inputs = _read_graph(workload.folder)
    return Session((workload.folder / spec.path).read_bytes(), spec), inputs


def _bare_contenders(workload: Workload) -> dict[str, Callable[[float], LoadResult]]:
    """Return runs of the graph alone, with single rows and full batches, in rows per second."""
    session, case_inputs = _open_graph(workload)

    def contender(size: int) -> Callable[[float], LoadResult]:
        inputs = repeat_rows(case_inputs, size)

        def run(seconds: float) -> LoadResult:
            result = run_in_threads(lambda: session.run(inputs), seconds, available_cores())
            return LoadResult(result.per_s * size)

        return run

    sizes = sorted({1, workload.limits.max_batch_size})
    return {f"limit: runs of {size} rows": contender(size) for size in sizes}


def _write_results(
    workloads: list[Workload],
    results: Mapping[tuple[str, int], InterleavedRuns],
    rounds: int,
    seconds: float,
) -> None:
    cpu_rows = [_cpu_row(workload) for workload in workloads]
    tables = [
        report.format_table(
            ["graph", "clients", "service", "rows per second", "range of rounds", "p50 ms",
             "p99 ms", "to a run per request"],
            [row for key, runs in results.items() for row in _load_rows(*key, runs)],
        ),
        report.format_table(
            ["graph", "rows", "runs/s", "rows/s"],
            [
                [workload.title, str(m.size), f"{m.runs_per_s:,.0f}", f"{m.rows_per_s:,.0f}"]
                for workload in workloads
                for m in workload.limits.measured
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
        "limits": {workload.title: workload.limits.model_dump() for workload in workloads},
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


def _cpu_row(workload: Workload) -> list[str]:
    session, inputs = _open_graph(workload)
    times = [cpu_us_per_request(session, inputs, size) for size in _IN_PROCESS_SIZES]
    return [workload.title, *(f"{time_us:,.0f}" for time_us in times)]
