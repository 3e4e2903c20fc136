"""Time bare `session.run` calls: the upper limit of any service on these cores.

One process with one thread per core, each running the graph in a loop.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.load import LoadResult
from models_store.manifest import Precision
from models_store.tasks import Classification
from models_store.verify import read_manifest
from service.codecs.images import decode_resized
from service.runtime.session import Session

_MAX_PIXELS = 25_000_000


class BareInference:
    """A classifier without a service."""

    def __init__(self, folder: Path, image: Path, precision: Precision = "fp32") -> None:
        manifest = read_manifest(folder)
        spec = manifest.graphs(precision)["model"]
        if not isinstance(manifest.task, Classification):
            raise TypeError(f"{manifest.name} is no classifier")
        self._session = Session((folder / spec.path).read_bytes(), spec)
        self._image = manifest.task.image
        self._data = image.read_bytes()
        self._decoded_BHWC = decode_resized(self._data, self._image, _MAX_PIXELS)[None]

    def run(self, seconds: float, threads: int) -> LoadResult:
        """Run the graph only."""
        return run_in_threads(
            lambda: self._session.run({"images": self._decoded_BHWC}), seconds, threads
        )

    def decode_and_run(self, seconds: float, threads: int) -> LoadResult:
        """Decode the image for every run."""

        def once() -> None:
            image_HWC = decode_resized(self._data, self._image, _MAX_PIXELS)
            self._session.run({"images": image_HWC[np.newaxis]})

        return run_in_threads(once, seconds, threads)


def run_in_threads(run_once: Callable[[], object], seconds: float, threads: int) -> LoadResult:
    """Call `run_once` on each of `threads` threads for `seconds`; return the calls per second."""
    counts = [0] * threads
    end = time.monotonic() + seconds

    def work(index: int) -> None:
        while time.monotonic() < end:
            run_once()
            counts[index] += 1

    workers = [threading.Thread(target=work, args=(index,)) for index in range(threads)]
    begin = time.monotonic()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return LoadResult(sum(counts) / (time.monotonic() - begin))
