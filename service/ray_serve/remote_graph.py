"""Graphs that run on the replicas of a model's deployment, as the ingress uses them."""

import logging
import time
from collections.abc import AsyncIterator, Mapping

import numpy as np
from numpy.typing import NDArray
from ray.exceptions import RayError, RayTaskError
from ray.serve.handle import DeploymentHandle

from models_store.errors import ReplayError
from models_store.manifest import Manifest, ModelFile
from models_store.tasks import Tensors
from service.errors import BackendUnreachable, Unavailable
from service.observability.timing import timed
from service.ray_serve.replica import GenerationChunk, VersionKey
from service.runtime.graph_loader import load_session
from service.runtime.loaded_model import Graph
from service.runtime.session import BadInputs, RunError
from service.scheduling.generation_stream import GenerationRequest

_log = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
"""Attempts at a run, on one replica after the other, while replicas die."""
REPLICA_LOST = "the replica that computed this is gone, and no other could take over"
_RETRY_DELAY_S = 0.2
_RUN_TIMEOUT_S = 60.0


class RemoteGraph:
    """One graph of one version. May be called by any number of threads, not on an event loop."""

    def __init__(self, handle: DeploymentHandle, manifest: Manifest, spec: ModelFile) -> None:
        self._handle = handle
        self._version_key: VersionKey = (manifest.version, spec.precision or "fp32")
        is_external = isinstance(manifest.task, Tensors)
        self._input_errors = RunError if is_external else (BadInputs,)
        self._role = str(spec.role)

    @timed("run")
    def run(self, inputs: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
        """Return all outputs by name. A run has no side effects, so another replica can retry it.

        Raises:
            BackendUnreachable: no replica completed the run.
            Unavailable: a replica failed.
        """
        for attempt in range(MAX_ATTEMPTS):
            try:
                response = self._handle.run.remote(self._version_key, self._role, dict(inputs))
                outputs: dict[str, NDArray[np.generic]] = response.result(timeout_s=_RUN_TIMEOUT_S)
            except RayTaskError as error:
                if isinstance(error.cause, self._input_errors):
                    raise error.cause from None
                _log.exception("a run failed")
                raise Unavailable("the model failed") from error
            except TimeoutError:
                raise BackendUnreachable(
                    f"no replica responded within {_RUN_TIMEOUT_S:g} s"
                ) from None
            except RayError as error:
                _log.warning("a replica was lost", extra={"fields": {"error": repr(error)[:200]}})
                time.sleep(_RETRY_DELAY_S * attempt)
            else:
                return outputs
        raise BackendUnreachable(REPLICA_LOST)

    async def generate(
        self, request: GenerationRequest, remaining_s: float, skip: tuple[int, int]
    ) -> AsyncIterator[GenerationChunk]:
        """Stream from `ModelReplica.generate`; Ray's exceptions pass through."""
        responses = self._handle.options(stream=True).generate.remote(
            self._version_key, request, remaining_s, skip
        )
        try:
            async for chunk in responses:
                yield chunk
        finally:
            responses.cancel()


class RemoteGraphLoader:
    """Loads graphs from the deployments of their models."""

    def __init__(self, handles: Mapping[str, DeploymentHandle]) -> None:
        """`handles` are keyed by model name."""
        self._handles = handles

    def load(self, graph: bytes, manifest: Manifest, spec: ModelFile) -> Graph:
        """Return the graph that runs on the model's replicas.

        Handwriting takes a run of microseconds for each point, so its graph runs locally.

        Raises:
            ReplayError: the model was published after the deployment, and so has no replicas.
        """
        if manifest.task.kind == "handwriting":
            return load_session(graph, manifest, spec)
        handle = self._handles.get(manifest.name)
        if handle is None:
            raise ReplayError("it has no deployment: run python -m service.ray_serve again")
        return RemoteGraph(handle, manifest, spec)
