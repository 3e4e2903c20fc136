"""Inspection of served models: their weights and inner activations.

Loaded models do not keep weights for this: the graph's file is read again for each request, and
must still be the published one. Sessions that also return an inner tensor are built on demand, and
only a few are kept; the model's own sessions are not affected.
"""

import hashlib
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from models_store.manifest import Manifest, ModelFile
from models_store.onnx.weights import Layer, add_output, read_layers
from models_store.verify import TensorMap, read_golden_cases
from service.errors import NotFound, Unavailable
from service.runtime.session import session_options

_MAX_SESSIONS = 2
_MAX_LISTED_LAYERS = 40
"""Number of layers that an error message names."""


@dataclass(frozen=True)
class LayerLocation:
    """A layer and its graph."""

    file: ModelFile
    layer: Layer


class Inspector:
    """Reads layers of the versions in `store`. May be called by any number of threads."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._create_session = lru_cache(_MAX_SESSIONS)(self._create_session_uncached)
        self._lock = threading.Lock()

    def layers(self, manifest: Manifest) -> list[LayerLocation]:
        """Return every layer with weights, by graph and in the order of computation.

        Raises:
            Unavailable: a graph's file is no longer the published one.
        """
        folder = self._folder(manifest)
        return [
            LayerLocation(file, layer)
            for file in manifest.graphs().values()
            for layer in read_layers(_read(folder, file))
        ]

    def layer(self, manifest: Manifest, name: str | None) -> LayerLocation:
        """Return the first layer of this name, or the first of all if it is None.

        Raises:
            NotFound: there is no such layer; lists the layers. Unavailable: see `layers`.
        """
        located_layers = self.layers(manifest)
        for located in located_layers:
            if name in (None, located.layer.name):
                return located
        names = [located.layer.name for located in located_layers]
        omitted = len(names) - _MAX_LISTED_LAYERS
        listed = ", ".join(names[:_MAX_LISTED_LAYERS]) or "none with weights"
        raise NotFound(
            f"{manifest.name} {manifest.version} has no layer"
            + (f" {name[:64]!r}" if name else "")
            + f"; layers: {listed}"
            + (f" and {omitted} more" if omitted > 0 else ""),
            available=names,
        )

    def output(
        self, manifest: Manifest, located: LayerLocation, inputs: dict[str, NDArray[np.generic]]
    ) -> NDArray[np.generic]:
        """Return the layer's output for the graph's `inputs`; raise Unavailable as `layers`."""
        tensor = located.layer.output
        with self._lock:  # so that a session is not built twice
            session = self._create_session(self._folder(manifest), located.file, tensor)
        output: NDArray[np.generic] = session.run([tensor], inputs)[0]
        return output

    def _create_session_uncached(
        self, folder: Path, file: ModelFile, tensor: str
    ) -> ort.InferenceSession:
        graph = add_output(_read(folder, file), tensor)
        return ort.InferenceSession(graph, session_options(), providers=["CPUExecutionProvider"])

    def sample(self, manifest: Manifest) -> TensorMap:
        """Return inputs that the first graph was published with; raise Unavailable as `layers`."""
        folder, golden = self._folder(manifest), manifest.get_file("golden")
        _read(folder, golden)
        graph = next(iter(manifest.graphs().values()))
        (case,) = read_golden_cases(folder / golden.path, graph, 1)
        return case.inputs

    def _folder(self, manifest: Manifest) -> Path:
        return self._store / manifest.name / str(manifest.version)


def _read(folder: Path, file: ModelFile) -> bytes:
    try:
        content = (folder / file.path).read_bytes()
    except OSError:
        content = b""
    if hashlib.sha256(content).hexdigest() != file.sha256:
        version = f"{folder.parent.name} {folder.name}"
        raise Unavailable(f"{file.path} of {version} is no longer the published file")
    return content
