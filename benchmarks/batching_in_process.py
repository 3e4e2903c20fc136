"""Processor time of a request in the inference pool, with and without batching, without HTTP.

64 requests of one row each wait together for two compute threads. Processor time hardly depends on
what else the machine does, unlike a rate.
"""

import asyncio
import time
from collections.abc import Hashable, Mapping

import numpy as np
from numpy.typing import NDArray

from models_store.onnx.batching import repeat_rows
from service.runtime.batched_graph import BatchedGraph
from service.runtime.session import Session
from service.scheduling.admission import AdmissionController
from service.scheduling.pool import InferencePool

_REQUESTS = 64
_THREADS = 2
_ROUNDS = 60
_WARM_UP_ROUNDS = 5

Tensors = Mapping[str, NDArray[np.generic]]


def cpu_us_per_request(session: Session, inputs: Tensors, max_batch_size: int) -> float:
    """Return the processor time of a request, in microseconds; 1: requests are not batched.

    Of several rounds, the fastest counts.
    """
    sizes = range(1, max_batch_size + 1)
    graph = BatchedGraph(session, model="benchmark", batch_sizes=sizes, max_wait_s=1.0)
    batch_key = None if max_batch_size == 1 else "benchmark"
    rounds_s = asyncio.run(_run_rounds(graph, repeat_rows(inputs, 1), batch_key))
    return min(rounds_s[_WARM_UP_ROUNDS:]) / _REQUESTS * 1e6


async def _run_rounds(
    graph: BatchedGraph, inputs: Tensors, batch_key: Hashable | None
) -> list[float]:
    admission = AdmissionController(running=_THREADS, waiting=_REQUESTS, deadline_s=60)
    pool = InferencePool(admission, _THREADS)
    rounds_s = []
    for _ in range(_WARM_UP_ROUNDS + _ROUNDS):
        start = time.process_time()
        jobs = [
            pool.submit(lambda _: graph.run(inputs), admission.now(), batch_key=batch_key)
            for _ in range(_REQUESTS)
        ]
        await asyncio.gather(*(job.result() for job in jobs))
        rounds_s.append(time.process_time() - start)
    await asyncio.to_thread(pool.close)
    return rounds_s
