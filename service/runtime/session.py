"""One onnxruntime graph, ready to be run by many threads at once."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from models_store.errors import ReplayError
from models_store.manifest import ModelFile
from models_store.onnx.errors import clean_message
from models_store.onnx.runtime import check_session_tensors
from service.observability.timing import timed
from service.runtime.bounded_arena import BoundedArena
from service.runtime.providers import CPU, Provider
from service.runtime.run_limit import RunLimit

BadInputs = ort_errors.InvalidArgument
RunError = (
    ort_errors.InvalidArgument,
    ort_errors.Fail,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)
"""Every exception of a graph's run; onnxruntime has no common base for them."""

TensorMap = Mapping[str, NDArray[np.generic]]


class Session:
    """A graph that agrees with its manifest. `run` may be called by any number of threads."""

    def __init__(
        self,
        graph: bytes,
        spec: ModelFile,
        provider: Provider = CPU,
        *,
        arena: BoundedArena | None = None,
        run_limit: RunLimit | None = None,
    ) -> None:
        """Build the session from the graph's bytes; without an `arena`, it has one of its own.

        Without a `run_limit`, runs may take any time.

        From bytes, not from a path, because clients see onnxruntime's messages. `check_files` has
        checked that the graph refers to no other file.

        Raises:
            ReplayError: when onnxruntime or the provider does not accept the graph.
            ManifestError: when an input or output is not as the manifest states.
        """
        self.provider = provider
        self._arena = arena
        self._run_limit = run_limit
        options = session_options()
        if arena is not None:
            arena.add_to(options)
        try:
            self._session = ort.InferenceSession(
                graph, options, providers=provider.ort_providers, enable_fallback=0
            )
        except Exception as error:  # onnxruntime has no public exception base
            raise ReplayError(
                f"{spec.path} is not a graph that onnxruntime accepts: {clean_message(error)}"
            ) from error
        if provider.ort_name not in self._session.get_providers():
            raise ReplayError(f"{spec.path}: the provider {provider.name} did not start")
        # Release the graph's bytes, kept to fall back to another provider, which is disabled.
        self._session._model_bytes = None  # noqa: SLF001
        check_session_tensors(self._session, spec)
        self._outputs = [output.name for output in self._session.get_outputs()]

    @timed("run")
    def run(self, inputs: TensorMap) -> dict[str, NDArray[np.generic]]:
        """Return all outputs by name. onnxruntime reads C-contiguous arrays in place.

        Raises:
            DeadlineExceeded: the run was ended by the run limit.
        """
        with self.provider.run_lock:
            if self._run_limit is None:
                values = self._run_session(inputs)
            else:
                with self._run_limit.options() as options:
                    values = self._run_session(inputs, options)
        return dict(zip(self._outputs, values, strict=True))

    def _run_session(
        self, inputs: TensorMap, options: ort.RunOptions | None = None
    ) -> Sequence[NDArray[np.generic]]:
        try:
            values: Sequence[NDArray[np.generic]] = self._session.run(
                self._outputs, inputs, options
            )
        except RunError as error:
            if self._arena is None or not self._arena.is_full(error):
                raise
            self._arena.release_unused()
            values = self._session.run(self._outputs, inputs, options)
        return values

    def run_and_shrink_arena(self, inputs: TensorMap) -> dict[str, NDArray[np.generic]]:
        """Run as `run` does, and release the memory of the run.

        For golden cases, whose batches are larger than those of later requests.
        """
        if self.provider.name != "cpu":
            return self.run(inputs)
        options = ort.RunOptions()
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        values = self._session.run(self._outputs, inputs, options)
        return dict(zip(self._outputs, values, strict=True))


def session_options() -> ort.SessionOptions:
    """Return the session options of every graph."""
    options = ort.SessionOptions()
    # Requests run in parallel, so a graph runs on one thread: N graphs side by side on N cores are
    # faster than one graph at a time on N threads, which synchronise at every operator.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    # A spinning thread burns a core that another worker, or the event loop, needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    # The arena keeps the memory of a run for the next one, and so grows to what concurrent runs
    # need at their largest. That is bounded here: images come at a fixed size or in tiles, and
    # threads are few. Without it every activation is a malloc of pages that fault in anew.
    options.enable_cpu_mem_arena = True
    # Plans one memory block per input shape; there are few shapes for the same reason.
    options.enable_mem_pattern = True
    # Errors reach us as exceptions; onnxruntime would also write them to stderr, values included.
    options.log_severity_level = 4
    # Else onnxruntime guesses from the bytes, and reads some as its own format, ORT.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    return options
