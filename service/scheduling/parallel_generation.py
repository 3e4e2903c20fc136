"""Generation on several threads of one process, each with batches of its own.

A batch advances on one thread. Two batches on two cores generate 1.7 times as many characters as
one batch of all texts (`docs/decisions.md`), because graph runs release the GIL.
"""

from collections import Counter

from service.runtime.recurrent import RecurrentModel
from service.scheduling.admission import AdmissionController
from service.scheduling.continuous_batching import GenerationScheduler
from service.scheduling.generation_stream import GenerationRequest, GenerationStream

MAX_GENERATION_THREADS = 2
"""More threads have not been measured; each also takes its share of the GIL."""


class ParallelGenerationScheduler(GenerationScheduler):
    """A scheduler and `threads - 1` more; each new text goes to the one with the fewest.

    Each generates at most its share of `max_streams` texts at a time, so `threads` must not be
    larger than that.
    """

    def __init__(self, admission: AdmissionController, max_streams: int, threads: int) -> None:
        share, remainder = divmod(max_streams, threads)
        super().__init__(admission, share)
        self._others = [
            GenerationScheduler(admission, share + (index < remainder))
            for index in range(threads - 1)
        ]
        for scheduler in self._others:
            # Looked up at each step, because it is set later.
            scheduler.on_step = lambda result: self.on_step(result)  # noqa: PLW0108
        self._loads = Counter[GenerationScheduler]()

    def submit(
        self, model: RecurrentModel, request: GenerationRequest, arrival_time_s: float
    ) -> GenerationStream:
        scheduler = min((self, *self._others), key=lambda scheduler: self._loads[scheduler])
        submit = super().submit if scheduler is self else scheduler.submit
        stream = submit(model, request, arrival_time_s)
        self._loads[scheduler] += 1
        stream.finished.add_done_callback(lambda _: self._loads.subtract([scheduler]))
        return stream

    def close(self) -> None:
        super().close()
        for scheduler in self._others:
            scheduler.close()
