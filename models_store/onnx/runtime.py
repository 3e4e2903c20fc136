"""Run graphs with onnxruntime to verify models without a service."""

from pathlib import Path

from models_store.errors import ReplayError
from models_store.manifest import Manifest
from models_store.onnx.errors import clean_message
from models_store.verify import GraphFn, TensorMap, replay_graph

__all__ = ["load_graph_fn", "replay_golden"]


def load_graph_fn(path: Path) -> GraphFn:
    """Return the graph at `path` as a function that runs on one CPU thread.

    The file is read here, because onnxruntime's messages would contain the store's path.

    Raises:
        ReplayError: when onnxruntime is not installed or does not accept the graph.
    """
    try:
        import onnxruntime as ort
    except ImportError as error:
        raise ReplayError("golden replay needs onnxruntime: pip install onnxruntime") from error
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Else onnxruntime guesses from the bytes, and reads some as its own format, ORT.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        session = ort.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime has no public exception base
        raise ReplayError(
            f"{path.name} is not a graph that onnxruntime accepts: {clean_message(error)}"
        ) from error
    names = [output.name for output in session.get_outputs()]

    def run(inputs: TensorMap) -> TensorMap:
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))

    return run


def replay_golden(folder: Path, manifest: Manifest) -> None:
    """Check that every graph of a version reproduces its golden outputs within its tolerances.

    Raises:
        ReplayError: naming the graph and the deviation.
        IntegrityError: the golden file cannot be read.
    """
    for graph in (file for file in manifest.files if file.is_graph):
        replay_graph(folder, manifest, graph, load_graph_fn(folder / graph.path))
