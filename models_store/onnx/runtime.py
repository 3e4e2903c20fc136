"""Run graphs with onnxruntime to verify models without a service."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, get_args

from models_store.compression.tables import load_tables
from models_store.errors import ManifestError, ReplayError
from models_store.manifest import DType, Manifest, ModelFile, Precision, TensorSpec
from models_store.onnx.errors import clean_message
from models_store.tasks import Compression
from models_store.verify import GraphFn, TensorMap, load_graphs, replay_graph

ORT_DTYPES: Mapping[str, DType] = {
    **{f"tensor({dtype})": dtype for dtype in get_args(DType)},
    "tensor(float)": "float32",
    "tensor(double)": "float64",
}
"""onnxruntime's names of the data types that a manifest can name."""


class _NodeArg(Protocol):
    name: str
    type: str
    shape: Sequence[int | str | None]


class _Session(Protocol):
    def get_inputs(self) -> Sequence[_NodeArg]: ...

    def get_outputs(self) -> Sequence[_NodeArg]: ...


def load_graph_fn(path: Path) -> GraphFn:
    """Return the graph at `path` as a function that runs on one CPU thread.

    Raises:
        ReplayError: when onnxruntime is not installed or does not accept the graph.
    """
    return _load_graph_fn(path.read_bytes(), path.name)


def _load_graph_fn(graph: bytes, name: str, spec: ModelFile | None = None) -> GraphFn:
    # From bytes, because onnxruntime's messages would contain the store's path.
    try:
        import onnxruntime as ort
    except ImportError as error:
        raise ReplayError("golden replay needs onnxruntime: pip install onnxruntime") from error
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors are exceptions
    # Else onnxruntime guesses from the bytes, and reads some as its own format, ORT.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no public exception base
        raise ReplayError(
            f"{name} is not a graph that onnxruntime accepts: {clean_message(error)}"
        ) from error
    if spec is not None:
        check_session_tensors(session, spec)
    names = [output.name for output in session.get_outputs()]

    def run(inputs: TensorMap) -> TensorMap:
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))

    return run


def verify_graphs(folder: Path, manifest: Manifest) -> None:
    """Check the graphs and tables of a version as a service does when it loads them.

    Raises:
        ManifestError: graphs or tables do not have what the manifest and its task declare.
        ReplayError: a graph does not reproduce its golden outputs within its tolerances.
        IntegrityError: the golden file cannot be read.
    """

    def load(spec: ModelFile) -> GraphFn:
        run = _load_graph_fn((folder / spec.path).read_bytes(), spec.path, spec)
        replay_graph(folder, manifest, spec, run)
        return run

    precisions: list[Precision] = ["fp32", *(variant.precision for variant in manifest.variants)]
    for precision in precisions:
        load_graphs(manifest, precision, load)
    if isinstance(manifest.task, Compression):
        load_tables(folder, manifest, manifest.task)


def check_session_tensors(session: _Session, spec: ModelFile) -> None:
    """Raise ManifestError if inputs or outputs are not those of the manifest."""
    _check_tensors(spec.path, "input", session.get_inputs(), spec.inputs)
    _check_tensors(spec.path, "output", session.get_outputs(), spec.outputs)


def _check_tensors(
    path: str, kind: str, actual: Sequence[_NodeArg], declared: Sequence[TensorSpec]
) -> None:
    graph = {arg.name: (ORT_DTYPES.get(arg.type, arg.type), _shape(arg.shape)) for arg in actual}
    manifest = {spec.name: (spec.dtype, _shape(spec.shape)) for spec in declared}
    if graph != manifest:
        raise ManifestError(
            f"{path} has {kind}s {_format_tensors(graph)}, the manifest states "
            f"{_format_tensors(manifest)}"
        )


def _shape(shape: Sequence[int | str | None]) -> tuple[int | None, ...]:
    """Return the shape with None for free dimensions, whose names a graph may lose."""
    return tuple(size if isinstance(size, int) else None for size in shape)


def _format_tensors(tensors: Mapping[str, tuple[str, tuple[int | None, ...]]]) -> str:
    return ", ".join(
        f"{name} {dtype}[{', '.join('?' if size is None else str(size) for size in shape)}]"
        for name, (dtype, shape) in sorted(tensors.items())
    )
