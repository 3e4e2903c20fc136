"""Looking into a model that serves: its weights, and what is computed on the way.

Nothing of this is kept in memory by the models that serve: the graph's file is read when somebody
asks, and must still be the published one. Sessions that give a tensor from within are built on
demand and few are kept; they are never those that answer requests of the model's task.
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
from models_store.onnx.weights import Layer, layers, with_output
from service.errors import NotFound, Unavailable
from service.runtime.session import session_options

__all__ = ["Inspector", "Located"]

_KEPT = 2
_NAMED = 40
"""Layers that a message names."""

Key = tuple[str, int, str, str]


@dataclass(frozen=True)
class Located:
    """A layer, and the graph that it is in."""

    file: ModelFile
    layer: Layer


class Inspector:
    """Reads layers of the versions in `store`. May be called by any number of threads."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._probes: OrderedDict[Key, ort.InferenceSession] = OrderedDict()
        self._lock = threading.Lock()

    def layers(self, manifest: Manifest) -> list[Located]:
        """Every layer with weights, by graph and in the order of computation.

        Raises:
            Unavailable: a graph's file is not the published one any more.
        """
        found = []
        for file in manifest.graphs().values():
            found += [Located(file, layer) for layer in layers(self._read(manifest, file))]
        return found

    def layer(self, manifest: Manifest, name: str | None) -> Located:
        """One of them by name, the first of it; of no name, the first of all.

        Raises:
            NotFound: naming those that there are. Unavailable: as `layers`.
        """
        there = self.layers(manifest)
        found = next((one for one in there if name in (None, one.layer.name)), None)
        if found is None:
            names = [one.layer.name for one in there]
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            listed = ", ".join(names[:_NAMED]) or "none with weights"
            raise NotFound(
                f"{manifest.name} {manifest.version} has no layer{_quoted(name)}; "
                f"layers: {listed}{more}",
                available=names,
            )
        return found

    def output(
        self, manifest: Manifest, located: Located, inputs: dict[str, NDArray[np.generic]]
    ) -> NDArray[np.generic]:
        """What the layer computes of the graph's `inputs`. Raises Unavailable as `layers`."""
        tensor = located.layer.output
        key = (manifest.name, manifest.version, located.file.sha256, tensor)
        with self._lock:
            probe = self._probes.get(key)
            if probe is None:
                graph = with_output(self._read(manifest, located.file), tensor)
                probe = ort.InferenceSession(
                    graph, session_options(1), providers=["CPUExecutionProvider"]
                )
                self._probes[key] = probe
                while len(self._probes) > _KEPT:
                    self._probes.popitem(last=False)
            self._probes.move_to_end(key)
        output: NDArray[np.generic] = probe.run([tensor], inputs)[0]
        return output

    def _read(self, manifest: Manifest, file: ModelFile) -> bytes:
        path = self._store / manifest.name / str(manifest.version) / file.path
        try:
            content = path.read_bytes()
        except OSError:
            content = b""
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise Unavailable(
                f"{file.path} of {manifest.name} {manifest.version} is not on the shelf any more "
                "as it was published"
            )
        return content


def _quoted(name: str | None) -> str:
    return "" if name is None else f" {name[:64]!r}"
