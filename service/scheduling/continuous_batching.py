"""Continuous batching: texts join and leave between any two characters, and share every run.

A recurrent step for 32 texts costs little more than for one, because its time goes into reading the
weights. So there is one thread, and a run of a graph advances all texts of that graph.

A text must not depend on the texts that share its runs. Its random draws are its own, and if a
graph is not batch-invariant, every run is padded to the same shape.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from service.errors import Unavailable
from service.runtime.recurrent import RecurrentModel, StepGraph
from service.scheduling.admission import AdmissionController
from service.scheduling.batch_state import BatchState
from service.scheduling.generation_stream import GenerationRequest, GenerationStream

_log = logging.getLogger(__name__)

_PREFILL_CHARS = 16
"""Prompt characters processed between two generated characters, over all prompts: about as much
work as one step of a full batch."""
_MIN_PREFILL_CHARS_EACH = 8
"""Characters read of each prompt at least. In a burst this bounds the wait for a first character,
and one run over several characters is cheaper than several runs."""
_IDLE_PREFILL_CHARS = 256
"""Characters of all prompts read at once while no text is being generated."""


@dataclass
class StepResult:
    """The outcome of one step of a batch."""

    processed: int
    """Characters that the graph processed, over all texts: rows × steps."""
    batch_size: int = 0
    """Texts that shared the run; 0 if only prompts were processed."""
    generated: int = 0
    """Characters that were returned to clients."""
    started: list[GenerationStream] = field(default_factory=list)
    """Texts that got their first character."""
    finished: list[GenerationStream] = field(default_factory=list)


class _Batch:
    """The texts of one graph. Prompts are processed apart from texts that are being generated."""

    def __init__(self, model: RecurrentModel, max_streams: int) -> None:
        self.prefilling = BatchState(model)
        self.decoding = BatchState(model)
        self._padded_batch_size = None if model.batch_invariant else max_streams

    def __len__(self) -> int:
        return len(self.prefilling) + len(self.decoding)

    @property
    def batch_states(self) -> tuple[BatchState, BatchState]:
        return self.prefilling, self.decoding

    def add(self, streams: list[GenerationStream]) -> None:
        # If runs have a fixed shape, prompts are also processed one character at a time.
        (self.prefilling if self._padded_batch_size is None else self.decoding).add_streams(streams)

    def step(self) -> StepResult:
        """Process some prompt characters, then generate a character of each other text."""
        processed = self._prefill()
        decoding = self.decoding
        # The last character of a prompt is read like a generated one: its logits are needed.
        ready = [stream.pending_tokens == 1 for stream in self.prefilling.streams]
        if any(ready):
            decoding.merge(self.prefilling.split(ready))
        if not decoding:
            return StepResult(processed)
        logits_BV = decoding.step(1, padded_batch_size=self._padded_batch_size)
        generates = [not stream.is_prefilling for stream in decoding.streams]
        uniforms_B = np.array(
            [
                s.next_uniform() if w else 0.0
                for s, w in zip(decoding.streams, generates, strict=True)
            ]
        )
        result = StepResult(
            processed + len(decoding), batch_size=len(decoding), generated=sum(generates)
        )
        tokens = decoding.sampler.sample(logits_BV, uniforms_B)
        for row, (stream, token, is_generated) in enumerate(
            zip(decoding.streams, tokens, generates, strict=True)
        ):
            if is_generated:
                if not stream.has_output:
                    result.started.append(stream)
                if not stream.append(token, logits_BV[row]):
                    result.finished.append(stream)
        if result.finished:
            decoding.remove([stream.finish_reason is not None for stream in decoding.streams])
        return result

    def _prefill(self) -> int:
        prefilling = self.prefilling
        shortest = min((stream.pending_tokens for stream in prefilling.streams), default=1) - 1
        if not shortest:
            return 0
        budget = _PREFILL_CHARS if self.decoding else _IDLE_PREFILL_CHARS
        count = min(shortest, max(_MIN_PREFILL_CHARS_EACH, budget // len(prefilling)))
        return prefilling.prefill(count)


class GenerationScheduler:
    """Generate texts, at most `max_streams` at a time; others wait in arrival order.

    `running` of `admission` should be `max_streams`.
    """

    def __init__(self, admission: AdmissionController, max_streams: int) -> None:
        self.admission = admission
        self._max_streams = max_streams
        self._condition = threading.Condition()
        self._waiting: deque[tuple[RecurrentModel, GenerationStream]] = deque()
        self._batches: dict[StepGraph, _Batch] = {}
        self._closed = False
        self._thread: threading.Thread | None = None
        self.on_step: Callable[[StepResult], object] = lambda _: None
        """Called after each step, on the scheduler's thread."""

    def submit(
        self, model: RecurrentModel, request: GenerationRequest, arrival_time_s: float
    ) -> GenerationStream:
        """Queue a text for a request that arrived then. Called on the event loop.

        Raises:
            Overloaded: every slot is taken.
            DeadlineExceeded: the deadline has passed.
            Unavailable: the service is stopping.
        """
        stream = GenerationStream(request, self.admission.admit(arrival_time_s))
        with self._condition:
            if self._closed:
                stream.ticket.release()
                raise Unavailable("the service is stopping")
            self._waiting.append((model, stream))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="decode", daemon=True)
                self._thread.start()
            self._condition.notify()
        return stream

    def close(self) -> None:
        """Stop between two steps; unfinished texts fail."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        if self._thread is not None:
            self._thread.join()

    # The methods below run on the scheduler's thread.

    def _run(self) -> None:
        while self._wait_for_work():
            self._evict_cancelled()
            self._admit_waiting()
            for graph, batch in list(self._batches.items()):
                self._step_batch(batch)
                if not batch:
                    del self._batches[graph]
        stopping = Unavailable("the service stopped before the text was complete")
        for stream in self._all_streams():
            _fail_stream(stream, stopping)

    def _wait_for_work(self) -> bool:
        with self._condition:
            self._condition.wait_for(lambda: self._waiting or self._batches or self._closed)
            return not self._closed

    def _all_streams(self) -> Iterable[GenerationStream]:
        yield from (stream for _, stream in self._waiting)
        for batch in self._batches.values():
            for batch_state in batch.batch_states:
                yield from batch_state.streams

    def _evict_cancelled(self) -> None:
        """Remove cancelled and expired texts, running or waiting."""
        with self._condition:
            remaining = [item for item in self._waiting if not self._is_cancelled(item[1])]
            self._waiting = deque(remaining)
        for graph, batch in list(self._batches.items()):
            for batch_state in batch.batch_states:
                batch_state.remove([self._is_cancelled(stream) for stream in batch_state.streams])
            if not batch:
                del self._batches[graph]

    def _is_cancelled(self, stream: GenerationStream) -> bool:
        try:
            stream.ticket.check()
        except Exception as error:  # noqa: BLE001  # raised again where the text is awaited
            _fail_stream(stream, error)
            return True
        return False

    def _admit_waiting(self) -> None:
        free = self._max_streams - sum(map(len, self._batches.values()))
        admitted: dict[StepGraph, tuple[RecurrentModel, list[GenerationStream]]] = {}
        with self._condition:
            while self._waiting and free > 0:
                model, stream = self._waiting.popleft()
                admitted.setdefault(model.graph, (model, []))[1].append(stream)
                free -= 1
        for graph, (model, streams) in admitted.items():
            try:
                batch = self._batches.get(graph) or _Batch(model, self._max_streams)
                ready = [stream for stream in streams if self._try_start(stream)]
                batch.add(ready)
            except Exception as error:  # noqa: BLE001  # must not end the thread
                self._fail_streams(streams, error)
            else:
                if ready:
                    self._batches[graph] = batch

    def _try_start(self, stream: GenerationStream) -> bool:
        try:
            stream.ticket.start()
        except Exception as error:  # noqa: BLE001  # as in _is_cancelled
            _fail_stream(stream, error)
            return False
        return True

    def _step_batch(self, batch: _Batch) -> None:
        try:
            result = batch.step()
        except Exception as error:  # noqa: BLE001  # must not affect other graphs
            streams = [
                stream for batch_state in batch.batch_states for stream in batch_state.streams
            ]
            for batch_state in batch.batch_states:
                batch_state.remove([True] * len(batch_state))
            self._fail_streams(streams, error)
            return
        self.on_step(result)
        for stream in result.started:
            stream.set_started()
        for stream in result.finished:
            stream.ticket.record_run()
            stream.ticket.release()
            stream.set_finished()

    def _fail_streams(self, streams: list[GenerationStream], error: Exception) -> None:
        _log.error("decoding failed", exc_info=error)
        for stream in streams:
            _fail_stream(stream, Unavailable("the model failed during generation"))


def _fail_stream(stream: GenerationStream, error: Exception) -> None:
    stream.ticket.release()
    stream.set_failed(error)
