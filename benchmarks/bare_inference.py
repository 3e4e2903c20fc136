"""What a model takes where nothing is served: the limit of any service on these cores.

One process, a thread for each core, as fast as they go.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.load import Load
from models_store.manifest import Precision
from models_store.tasks import Classification
from models_store.verify import read_manifest
from service.codecs.images import Limits, decode_fixed
from service.runtime.session import Session

__all__ = ["Bare"]

_LIMITS = Limits(max_pixels=25_000_000)


class Bare:
    """A classifier without a service."""

    def __init__(self, folder: Path, picture: Path, precision: Precision = "fp32") -> None:
        manifest = read_manifest(folder)
        spec = manifest.graphs(precision)["model"]
        if not isinstance(manifest.task, Classification):
            raise TypeError(f"{manifest.name} is no classifier")
        self._session = Session((folder / spec.path).read_bytes(), spec)
        self._image = manifest.task.image
        self._data = picture.read_bytes()
        self._decoded_BHWC = decode_fixed(self._data, self._image, _LIMITS)[None]

    def run(self, seconds: float, threads: int) -> Load:
        """Runs of the graph alone."""
        return _repeat(lambda: self._session.run({"images": self._decoded_BHWC}), seconds, threads)

    def decode_and_run(self, seconds: float, threads: int) -> Load:
        """The picture decoded for every run."""

        def once() -> None:
            image_HWC = decode_fixed(self._data, self._image, _LIMITS)
            self._session.run({"images": image_HWC[np.newaxis]})

        return _repeat(once, seconds, threads)


def _repeat(once: Callable[[], object], seconds: float, threads: int) -> Load:
    counts = [0] * threads
    end = time.monotonic() + seconds

    def work(index: int) -> None:
        while time.monotonic() < end:
            once()
            counts[index] += 1

    workers = [threading.Thread(target=work, args=(index,)) for index in range(threads)]
    begin = time.monotonic()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return Load(sum(counts) / (time.monotonic() - begin))
