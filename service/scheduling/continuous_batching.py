"""Continuous batching: texts join and leave between any two characters, and share every run.

A recurrent step for 32 texts costs little more than for one, because its time goes into reading the
weights. So there is one thread, and a run of a graph advances every text that the graph writes.

A text must not depend on who shares its runs. Its random draws are its own, and where a processor's
last bits of a row depend on the other rows, found out when a graph is first used, every run is
padded to the same shape.
"""

import logging
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from weakref import WeakKeyDictionary

import numpy as np

from service.errors import Unavailable
from service.scheduling.admission import AdmissionController
from service.scheduling.batch_invariance import rows_agree
from service.scheduling.batch_state import Recurrent, Rows, StepGraph
from service.scheduling.future_notifier import Teller
from service.scheduling.generation_stream import Generation, Stream

__all__ = ["Decoder", "DecoderCounters"]

_log = logging.getLogger(__name__)

_PROMPT_CHARS = 16
"""Of all prompts together, read between two characters of those that are being written: about as
much work as one step of a full batch."""
_PROMPT_CHARS_EACH = 8
"""Of each prompt at least, however many there are: of a burst, nobody should wait long for a first
character, and a run over several characters is cheaper than several runs."""
_PROMPT_CHARS_ALONE = 256
"""Of all prompts together where nobody is kept waiting but the next to come."""


@dataclass(frozen=True)
class DecoderCounters:
    """What was computed, and for whom."""

    runs: int = 0
    characters: int = 0
    """Read or written, over all texts: rows × steps."""
    written: int = 0
    """Of these, the ones that a text got."""
    finished: int = 0
    left: int = 0
    """Texts given up before their end: the client gone, out of time, or an error."""


@dataclass
class _Advance:
    """What one step of a batch did."""

    read: int
    """Characters that the graph read."""
    rows: int = 0
    """Texts that shared the run; 0 where only prompts were read."""
    written: int = 0
    begun: list[Stream] = field(default_factory=list)
    """Texts that got their first character."""
    done: list[Stream] = field(default_factory=list)


class _Batch:
    """The texts of one graph. Prompts of any length are read apart from those being written."""

    def __init__(self, model: Recurrent, padded_to: int | None) -> None:
        self.prompts = Rows(model)
        self.written = Rows(model)
        self._padded_to = padded_to

    def __len__(self) -> int:
        return len(self.prompts) + len(self.written)

    @property
    def all_rows(self) -> tuple[Rows, Rows]:
        return self.prompts, self.written

    def add(self, streams: list[Stream]) -> None:
        # Where runs have one shape, prompts are read in it too, a character at a time.
        (self.prompts if self._padded_to is None else self.written).start(streams)

    def advance(self) -> "_Advance":
        """Read some of the prompts, then write a character of each other text."""
        read = self._read_prompts()
        rows = self.written
        # A prompt's last character is read like one that was written: its logits are needed.
        ready = [stream.pending == 1 for stream in self.prompts.streams]
        if any(ready):
            rows.join(self.prompts.split(ready))
        if not rows:
            return _Advance(read)
        logits_BV = rows.run(1, padded_to=self._padded_to)
        writes = [not stream.reads for stream in rows.streams]
        uniforms_B = np.array(
            [s.uniform() if w else 0.0 for s, w in zip(rows.streams, writes, strict=True)]
        )
        advance = _Advance(read + len(rows), rows=len(rows), written=sum(writes))
        tokens = rows.choices.draw(logits_BV, uniforms_B)
        for row, (stream, token, write) in enumerate(
            zip(rows.streams, tokens, writes, strict=True)
        ):
            if write:
                if not stream.wrote:
                    advance.begun.append(stream)
                if not stream.write(token, logits_BV[row]):
                    advance.done.append(stream)
        if advance.done:
            rows.drop([stream.finish_reason is not None for stream in rows.streams])
        return advance

    def _read_prompts(self) -> int:
        rows = self.prompts
        rest = min((stream.pending for stream in rows.streams), default=1) - 1
        if not rest:
            return 0
        budget = _PROMPT_CHARS if self.written else _PROMPT_CHARS_ALONE
        count = min(rest, max(_PROMPT_CHARS_EACH, budget // len(rows)))
        return rows.read(count)


class Decoder:
    """Writes texts, at most `streams` at a time; others wait at the gate, first come, first served.

    The gate's `running` should be `streams`.
    """

    def __init__(self, gate: AdmissionController, streams: int) -> None:
        self.gate = gate
        self._streams = streams
        self._arrivals = threading.Condition()
        self._waiting: deque[tuple[Recurrent, Stream]] = deque()
        self._batches: dict[StepGraph, _Batch] = {}
        self._padding: WeakKeyDictionary[StepGraph, int | None] = WeakKeyDictionary()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._teller = Teller()
        self._counters = DecoderCounters()
        self.batch_sizes = [0] * (streams + 1)
        """How many runs wrote so many texts at once, by that number. Only the decoder writes it."""

    @property
    def counters(self) -> DecoderCounters:
        return self._counters

    def submit(self, model: Recurrent, generation: Generation, arrived: float) -> Stream:
        """Queue a text for a request that arrived then. Called on the event loop.

        Raises:
            Overloaded: every place is taken.
            DeadlineExceeded: it is too late already.
            Unavailable: the service is stopping.
        """
        stream = Stream(generation, self.gate.admit(arrived))
        with self._arrivals:
            if self._closed:
                stream.ticket.close()
                raise Unavailable("the service is stopping")
            self._waiting.append((model, stream))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="decode", daemon=True)
                self._thread.start()
            self._arrivals.notify()
        return stream

    def close(self) -> None:
        """Stop between two steps; texts that are not done are told so."""
        with self._arrivals:
            self._closed = True
            self._arrivals.notify()
        if self._thread is not None:
            self._thread.join()

    # From here on, the decoder's thread.

    def _work(self) -> None:
        while self._await_work():
            self._leave_early()
            self._let_in()
            for graph, batch in list(self._batches.items()):
                self._advance(batch)
                if not batch:
                    del self._batches[graph]
            self._teller.tell()
        stopping = Unavailable("the service stopped before the text was written")
        for stream in self._everyone():
            self._give_up(stream, stopping)
        self._teller.tell()

    def _await_work(self) -> bool:
        with self._arrivals:
            self._arrivals.wait_for(lambda: self._waiting or self._batches or self._closed)
            return not self._closed

    def _everyone(self) -> Iterable[Stream]:
        yield from (stream for _, stream in self._waiting)
        for batch in self._batches.values():
            for rows in batch.all_rows:
                yield from rows.streams

    def _leave_early(self) -> None:
        """Give up texts that nobody waits for any more, whether they have begun or not."""
        with self._arrivals:
            kept = [item for item in self._waiting if not self._is_over(item[1])]
            self._waiting = deque(kept)
        for graph, batch in list(self._batches.items()):
            for rows in batch.all_rows:
                rows.drop([self._is_over(stream) for stream in rows.streams])
            if not batch:
                del self._batches[graph]

    def _is_over(self, stream: Stream) -> bool:
        try:
            stream.ticket.check()
        except Exception as error:  # noqa: BLE001  # whatever it says is what the client is told
            self._give_up(stream, error)
            return True
        return False

    def _let_in(self) -> None:
        free = self._streams - sum(map(len, self._batches.values()))
        joining: dict[StepGraph, tuple[Recurrent, list[Stream]]] = {}
        with self._arrivals:
            while self._waiting and free > 0:
                model, stream = self._waiting.popleft()
                joining.setdefault(model.graph, (model, []))[1].append(stream)
                free -= 1
        for graph, (model, streams) in joining.items():
            try:
                batch = self._batches.get(graph) or _Batch(model, self._padded_to(model))
                ready = [stream for stream in streams if self._starts(stream)]
                batch.add(ready)
            except Exception as error:  # noqa: BLE001  # a graph's trouble must not end the thread
                self._fail(streams, error)
            else:
                if ready:
                    self._batches[graph] = batch

    def _starts(self, stream: Stream) -> bool:
        try:
            stream.ticket.start()
        except Exception as error:  # noqa: BLE001  # as in _is_over
            self._give_up(stream, error)
            return False
        return True

    def _padded_to(self, model: Recurrent) -> int | None:
        if model.graph not in self._padding:
            agree = rows_agree(model, self._streams)
            if not agree:
                _log.warning("rows of a run differ with its size: every run is padded")
            self._padding[model.graph] = None if agree else self._streams
        return self._padding[model.graph]

    def _advance(self, batch: _Batch) -> None:
        try:
            step = batch.advance()
        except Exception as error:  # noqa: BLE001  # one graph's trouble must not end the others'
            streams = [stream for rows in batch.all_rows for stream in rows.streams]
            for rows in batch.all_rows:
                rows.drop([True] * len(rows))
            self._fail(streams, error)
            return
        for stream in step.begun:
            self._teller.done(stream.loop, stream.begun)
        for stream in step.done:
            stream.ticket.ran()
            stream.ticket.close()
            self._teller.done(stream.loop, stream.finished)
        if step.rows:
            self.batch_sizes[step.rows] += 1
        now = self._counters
        self._counters = replace(
            now,
            runs=now.runs + 1,
            characters=now.characters + step.read,
            written=now.written + step.written,
            finished=now.finished + len(step.done),
        )

    def _fail(self, streams: list[Stream], error: Exception) -> None:
        _log.error("decoding failed", exc_info=error)
        for stream in streams:
            self._give_up(stream, Unavailable("the model failed while it wrote"))

    def _give_up(self, stream: Stream, error: Exception) -> None:
        stream.ticket.close()
        self._teller.failed(stream.loop, (stream.begun, stream.finished), error)
        self._counters = replace(self._counters, left=self._counters.left + 1)
