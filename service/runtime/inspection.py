"""Inspection of served models: their weights and inner activations.

Loaded models do not keep weights for this: the graph's file is read again for each request, and
must still be the published one. Sessions that also return an inner tensor are built on demand, and
only a few are kept; the model's own sessions are not affected.
"""

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
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

SessionKey = tuple[str, int, str, str]


@dataclass(frozen=True)
class LayerLocation:
    """A layer and its graph."""

    file: ModelFile
    layer: Layer


class Inspector:
    """Reads layers of the versions in `store`. May be called by any number of threads."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._sessions: OrderedDict[SessionKey, ort.InferenceSession] = OrderedDict()
        self._lock = threading.Lock()

    def layers(self, manifest: Manifest) -> list[LayerLocation]:
        """Return every layer with weights, by graph and in the order of computation.

        Raises:
            Unavailable: a graph's file is no longer the published one.
        """
        found = []
        for file in manifest.graphs().values():
            found += [
                LayerLocation(file, layer) for layer in read_layers(self._read(manifest, file))
            ]
        return found

    def layer(self, manifest: Manifest, name: str | None) -> LayerLocation:
        """Return the first layer of this name, or the first of all if it is None.

        Raises:
            NotFound: there is no such layer; lists the layers. Unavailable: see `layers`.
        """
        located_layers = self.layers(manifest)
        found = next(
            (located for located in located_layers if name in (None, located.layer.name)), None
        )
        if found is None:
            names = [located.layer.name for located in located_layers]
            omitted = (
                f" and {len(names) - _MAX_LISTED_LAYERS} more"
                if len(names) > _MAX_LISTED_LAYERS
                else ""
            )
            listed = ", ".join(names[:_MAX_LISTED_LAYERS]) or "none with weights"
            raise NotFound(
                f"{manifest.name} {manifest.version} has no layer{_quote_suffix(name)}; "
                f"layers: {listed}{omitted}",
                available=names,
            )
        return found

    def output(
        self, manifest: Manifest, located: LayerLocation, inputs: dict[str, NDArray[np.generic]]
    ) -> NDArray[np.generic]:
        """Return the layer's output for the graph's `inputs`; raise Unavailable as `layers`."""
        tensor = located.layer.output
        key = (manifest.name, manifest.version, located.file.sha256, tensor)
        with self._lock:
            session = self._sessions.get(key)
            if session is None:
                graph = add_output(self._read(manifest, located.file), tensor)
                session = ort.InferenceSession(
                    graph, session_options(1), providers=["CPUExecutionProvider"]
                )
                self._sessions[key] = session
                while len(self._sessions) > _MAX_SESSIONS:
                    self._sessions.popitem(last=False)
            self._sessions.move_to_end(key)
        output: NDArray[np.generic] = session.run([tensor], inputs)[0]
        return output

    def sample(self, manifest: Manifest) -> TensorMap:
        """Return inputs that the first graph was published with; raise Unavailable as `layers`."""
        golden = manifest.get_file("golden")
        self._read(manifest, golden)
        graph = next(iter(manifest.graphs().values()))
        path = self._store / manifest.name / str(manifest.version) / golden.path
        (case,) = read_golden_cases(path, graph, 1)
        return case.inputs

    def _read(self, manifest: Manifest, file: ModelFile) -> bytes:
        path = self._store / manifest.name / str(manifest.version) / file.path
        try:
            content = path.read_bytes()
        except OSError:
            content = b""
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise Unavailable(
                f"{file.path} of {manifest.name} {manifest.version} is no longer the published file"
            )
        return content


def _quote_suffix(name: str | None) -> str:
    return "" if name is None else f" {name[:64]!r}"
