import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise

import onnxruntime as ort
import pytest

from service.errors import DeadlineExceeded, Overloaded, Unavailable
from service.runtime.recurrent import RecurrentModel, is_batch_invariant
from service.scheduling.admission import AdmissionController, RequestCancelled
from service.scheduling.continuous_batching import GenerationScheduler, StepResult
from service.scheduling.generation_stream import GenerationRequest, GenerationStream
from service.scheduling.sampling import SamplingParams
from tests.fakes.text_model import VOCABULARY, RandomLstmModel, build_model_proto
from tests.service.scheduling.graphs import LETTERS, Letters, Uneven, expected, recurrent
from tests.waiting import until

pytestmark = pytest.mark.anyio

GREEDY = SamplingParams(temperature=0)


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def make() -> Iterator[Callable[..., GenerationScheduler]]:
    made: list[GenerationScheduler] = []

    def make(
        streams: int = 8, waiting: int = 100, clock: Clock | None = None
    ) -> GenerationScheduler:
        controller = AdmissionController(
            running=streams, waiting=waiting, deadline_s=30.0, clock=clock or Clock()
        )
        made.append(GenerationScheduler(controller, streams))
        return made[-1]

    yield make
    for decoder in made:
        decoder.close()


def letters(prompt: str = "a", length: int = 5, **more: object) -> GenerationRequest:
    fields: dict[str, object] = {
        "prompt": [LETTERS.index(letter) for letter in prompt],
        "vocabulary": LETTERS,
        "max_chars": length,
        "seed": 0,
        "sampling": GREEDY,
        **more,
    }
    return GenerationRequest(**fields)  # type: ignore[arg-type]


async def warmed(decoder: GenerationScheduler, graph: Letters) -> RecurrentModel:
    """Return the graph's model, whose runs wait until they are allowed."""
    model = recurrent(graph)
    await decoder.submit(model, letters(length=1), 0.0).result()
    graph.hold()
    return model


class Babbling:
    """The LSTM with random weights, run by onnxruntime as the service runs it."""

    def __init__(self) -> None:
        content = build_model_proto(RandomLstmModel()).SerializeToString()
        self._session = ort.InferenceSession(content, providers=["CPUExecutionProvider"])
        self._names = [output.name for output in self._session.get_outputs()]

    def run(self, inputs: object) -> dict[str, object]:
        return dict(zip(self._names, self._session.run(self._names, inputs), strict=True))


def babbling() -> RecurrentModel:
    return RecurrentModel(Babbling(), RandomLstmModel().states)  # type: ignore[arg-type]


def babble(seed: int, length: int = 120, choice: SamplingParams | None = None) -> GenerationRequest:
    prompt = [1 + seed % 20, 2, 3 + seed % 11]
    return GenerationRequest(
        prompt, VOCABULARY, length, seed, choice or SamplingParams(temperature=0.9)
    )


async def test_a_text_goes_on_where_the_prompt_ends(
    make: Callable[..., GenerationScheduler],
) -> None:
    stream = make().submit(recurrent(Letters()), letters("hello", 30), 0.0)
    assert await stream.result() == expected("hello", 30)
    assert stream.final_reason == "length"


async def test_a_stop_string_ends_the_text_and_the_work(
    make: Callable[..., GenerationScheduler],
) -> None:
    decoder, full = make(), expected("hello", 30)
    stop = full[10:13]
    steps: list[StepResult] = []
    decoder.on_step = steps.append
    stream = decoder.submit(recurrent(Letters()), letters("hello", 30, stop_strings=(stop,)), 0.0)
    assert await stream.result() == full[: full.index(stop)]
    assert stream.final_reason == "stop"
    # Five were read, of which the last gave the first that was written.
    assert sum(step.processed for step in steps) == 5 + full.index(stop) + len(stop) - 1


async def test_pieces_together_are_the_text(make: Callable[..., GenerationScheduler]) -> None:
    decoder, graph = make(), Letters()
    model = await warmed(decoder, graph)
    stream = decoder.submit(model, letters("b", 40), 0.0)
    pieces: list[str] = []

    async def read() -> None:
        async for piece in stream.chunks():
            pieces.append(piece)  # noqa: PERF401  # one by one is the point

    reading = asyncio.create_task(read())
    graph.allow(10)
    await until(lambda: bool(pieces))
    graph.allow()
    await reading
    assert len(pieces) > 1
    assert "".join(pieces) == expected("b", 40)


async def test_texts_join_and_leave_between_two_characters(
    make: Callable[..., GenerationScheduler],
) -> None:
    decoder, graph = make(), Letters()
    model = await warmed(decoder, graph)
    first = decoder.submit(model, letters("a", 6), 0.0)
    graph.allow(3)
    await until(lambda: len(graph.shapes) == 3)
    second = decoder.submit(model, letters("b", 2), 0.0)
    graph.allow(1)  # the run that had begun without it
    await until(lambda: len(graph.shapes) == 4)
    graph.allow()
    texts = await first.result(), await second.result()
    assert texts == (expected("a", 6), expected("b", 2))
    rows = [rows for rows, _ in graph.shapes]
    assert sorted(rows[:6]) in ([1, 1, 1, 1, 2, 2], [1, 1, 1, 2, 2, 1])
    assert len(rows) <= 7


async def test_texts_of_many_prompts_share_one_run_for_each_character(
    make: Callable[..., GenerationScheduler],
) -> None:
    decoder, graph = make(streams=8), Letters()
    model = await warmed(decoder, graph)
    streams = [decoder.submit(model, letters(c, 20), 0.0) for c in "abcdefgh"]
    graph.allow()
    for letter, stream in zip("abcdefgh", streams, strict=True):
        assert await stream.result() == expected(letter, 20)
    # The first run may have begun before all had come.
    assert len(graph.shapes) <= 21
    assert (8, 1) in graph.shapes


async def test_seeded_text_is_the_same_alone_and_in_any_batch(
    make: Callable[..., GenerationScheduler],
) -> None:
    model, decoder = babbling(), make(streams=8)
    choices = [
        SamplingParams(0),
        SamplingParams(0.9),
        SamplingParams(1.0, 5),
        SamplingParams(1.2, None, 0.8),
        SamplingParams(0.7, 10, 0.9),
        SamplingParams(0.9),
        SamplingParams(1.0),
        SamplingParams(0.5),
    ]
    requested = [babble(seed, 120 - 9 * seed, choice) for seed, choice in enumerate(choices)]
    alone = [await decoder.submit(model, request, 0.0).result() for request in requested]
    together = [decoder.submit(model, request, 0.0) for request in requested]
    assert [await stream.result() for stream in together] == alone
    late = [decoder.submit(model, requested[1], 0.0)]
    for request in requested[2:]:
        await asyncio.sleep(0.003)
        late.append(decoder.submit(model, request, 0.0))
    assert [await stream.result() for stream in late] == alone[1:]
    assert len(set(alone)) == len(alone)


def test_models_of_these_tests_are_batch_invariant() -> None:
    for model in (babbling(), recurrent(Letters())):
        assert is_batch_invariant(model.graph, model.states, 8)


def test_graph_that_is_not_batch_invariant_is_detected() -> None:
    assert not is_batch_invariant(Uneven(), Uneven.states, 8)


async def test_graph_that_is_not_batch_invariant_runs_with_one_shape(
    make: Callable[..., GenerationScheduler],
) -> None:
    decoder, graph = make(streams=4), Uneven()
    model = await warmed(decoder, graph)
    graph.allow()
    streams = [decoder.submit(model, letters("hello"[:size], 7), 0.0) for size in (1, 5, 3)]
    texts = [await stream.result() for stream in streams]
    assert texts == [expected("hello"[:size], 7) for size in (1, 5, 3)]
    assert set(graph.shapes) == {(4, 1)}


async def test_cancelling_one_text_leaves_the_others_unchanged(
    make: Callable[..., GenerationScheduler],
) -> None:
    decoder, graph = make(), Letters()
    model = await warmed(decoder, graph)
    streams = [decoder.submit(model, letters(letter, 30), 0.0) for letter in "abcd"]
    graph.allow(10)
    await until(lambda: len(graph.shapes) == 10)
    streams[1].cancel()
    graph.allow()
    for row in (0, 2, 3):
        assert await streams[row].result() == expected("abcd"[row], 30)
    with pytest.raises(RequestCancelled):
        await streams[1].result()


async def test_cancelled_text_is_not_computed(
    make: Callable[..., GenerationScheduler],
) -> None:
    decoder, graph = make(streams=1), Letters()
    model = await warmed(decoder, graph)
    running = decoder.submit(model, letters("a", 1000), 0.0)
    waiting = decoder.submit(model, letters("b", 1000), 0.0)
    graph.allow(5)
    await until(lambda: len(graph.shapes) == 5)
    running.cancel()
    waiting.cancel()
    graph.allow()
    await until(lambda: decoder.admission.in_flight == 0)
    assert len(graph.shapes) <= 6  # one may have started before the cancellation


async def test_text_past_its_deadline_fails_and_the_others_continue(
    make: Callable[..., GenerationScheduler],
) -> None:
    clock = Clock()
    decoder, graph = make(clock=clock), Letters()
    model = await warmed(decoder, graph)
    clock.now = 20.0
    late = decoder.submit(model, letters("a", 50), 0.0)
    in_time = decoder.submit(model, letters("b", 50), 15.0)
    graph.allow(5)
    await until(lambda: len(graph.shapes) == 5)
    clock.now = 31.0
    graph.allow()
    with pytest.raises(DeadlineExceeded, match="within 30 s"):
        await late.result()
    assert await in_time.result() == expected("b", 50)


async def test_text_that_waits_past_its_deadline_fails(
    make: Callable[..., GenerationScheduler],
) -> None:
    clock = Clock()
    decoder, graph = make(streams=1, clock=clock), Letters()
    model = await warmed(decoder, graph)
    decoder.submit(model, letters("a", 50), 25.0)
    waiting = decoder.submit(model, letters("b", 50), 0.0)
    clock.now = 31.0
    graph.allow()
    with pytest.raises(DeadlineExceeded):
        await waiting.wait_first_token()


async def test_text_beyond_the_capacity_is_rejected_at_once(
    make: Callable[..., GenerationScheduler],
) -> None:
    decoder, graph = make(streams=1, waiting=1), Letters()
    model = await warmed(decoder, graph)
    await until(lambda: decoder.admission.in_flight == 0)
    streams = [decoder.submit(model, letters(letter, 3), 0.0) for letter in "ab"]
    with pytest.raises(Overloaded):
        decoder.submit(model, letters("c"), 0.0)
    graph.allow()
    assert [await s.result() for s in streams] == [expected("a", 3), expected("b", 3)]


async def test_slots_are_assigned_in_arrival_order(
    make: Callable[..., GenerationScheduler],
) -> None:
    decoder, graph = make(streams=1), Letters()
    model = await warmed(decoder, graph)
    order: list[str] = []

    async def finish(letter: str, stream: GenerationStream) -> None:
        await stream.result()
        order.append(letter)

    tasks = [
        asyncio.create_task(finish(letter, decoder.submit(model, letters(letter, 3), 0.0)))
        for letter in "dbca"
    ]
    graph.allow()
    await asyncio.gather(*tasks)
    assert order == list("dbca")


async def test_a_long_prompt_is_read_in_parts_between_the_others_characters(
    make: Callable[..., GenerationScheduler],
) -> None:
    decoder, graph = make(), Letters()
    model = await warmed(decoder, graph)
    writing = decoder.submit(model, letters("a", 200), 0.0)
    graph.allow(1)
    await writing.wait_first_token()
    prompt = "hello" * 100
    reading = decoder.submit(model, letters(prompt, 3), 0.0)
    graph.allow()
    assert await reading.result() == expected(prompt, 3)
    assert await writing.result() == expected("a", 200)
    longest = [time for _, time in graph.shapes]
    assert max(longest) <= 16
    parts = [index for index, time in enumerate(longest) if time > 1]
    assert len(parts) >= 500 // 16
    # Between two parts of the prompt the other text got its character.
    assert all(after - before >= 2 for before, after in pairwise(parts))


async def test_a_burst_of_short_prompts_is_read_in_one_run_beside_a_text(
    make: Callable[..., GenerationScheduler],
) -> None:
    decoder, graph = make(), Letters()
    model = await warmed(decoder, graph)
    writing = decoder.submit(model, letters("a", 50), 0.0)
    graph.allow(1)
    await until(lambda: graph.begun == 2)  # a run without the burst
    burst = [decoder.submit(model, letters(f"{letter}hello", 3), 0.0) for letter in "bcdefg"]
    graph.allow()
    for letter, stream in zip("bcdefg", burst, strict=True):
        assert await stream.result() == expected(f"{letter}hello", 3)
    assert await writing.result() == expected("a", 50)
    assert [shape for shape in graph.shapes if shape[1] > 1] == [(6, 5)]


async def test_equal_prompts_are_prefilled_once(
    make: Callable[..., GenerationScheduler],
) -> None:
    decoder, graph = make(), Letters()
    model = await warmed(decoder, graph)
    first = decoder.submit(model, letters("a", 2), 0.0)
    await until(lambda: graph.begun == 1)  # a run without the prompts
    prompts = ["hello", "hello", "heron", "hello", "other"]
    streams = [decoder.submit(model, letters(prompt, 4), 0.0) for prompt in prompts]
    graph.allow()
    assert await first.result() == expected("a", 2)
    for prompt, stream in zip(prompts, streams, strict=True):
        assert await stream.result() == expected(prompt, 4)
    assert [shape for shape in graph.shapes if shape[1] > 1] == [(3, 4)]


async def test_texts_of_one_prompt_are_those_that_each_would_be_alone(
    make: Callable[..., GenerationScheduler],
) -> None:
    decoder, model = make(), babbling()
    requested = [replace(babble(seed), prompt=[5, 2, 9, 4, 1]) for seed in range(5)]
    alone = [await decoder.submit(model, request, 0.0).result() for request in requested]
    together = [decoder.submit(model, request, 0.0) for request in requested]
    assert [await stream.result() for stream in together] == alone
    assert len(set(alone)) == 5


async def test_a_long_prompt_alone_is_read_in_few_runs(
    make: Callable[..., GenerationScheduler],
) -> None:
    decoder, graph = make(), Letters()
    model = await warmed(decoder, graph)
    graph.allow()
    stream = decoder.submit(model, letters("hello" * 100, 3), 0.0)
    assert await stream.result() == expected("hello" * 100, 3)
    assert len(graph.shapes) == 2 + 3


async def test_prompts_of_every_length_are_prefilled_together_correctly(
    make: Callable[..., GenerationScheduler],
) -> None:
    decoder, prompt = make(streams=8), "thequickbrownfoxjumpsoverthelazydog" * 9
    model = recurrent(Letters())
    sizes = [1, 2, 3, 17, 40, 150, 256, 300]
    streams = [decoder.submit(model, letters(prompt[:size], 9), 0.0) for size in sizes]
    for size, stream in zip(sizes, streams, strict=True):
        assert await stream.result() == expected(prompt[:size], 9)


async def test_a_graph_that_fails_takes_only_its_own_texts_with_it(
    make: Callable[..., GenerationScheduler],
) -> None:
    decoder, good, bad = make(), Letters(), Letters()
    good_model, bad_model = await warmed(decoder, good), await warmed(decoder, bad)
    lasting = decoder.submit(good_model, letters("a", 20), 0.0)
    failing = decoder.submit(bad_model, letters("b", 20), 0.0)
    bad.failing = True
    good.allow()
    bad.allow()
    with pytest.raises(Unavailable, match="failed during generation"):
        await failing.result()
    assert await lasting.result() == expected("a", 20)
    bad.failing = False
    again = decoder.submit(bad_model, letters("b", 20), 0.0)
    assert await again.result() == expected("b", 20)


async def test_closing_fails_unfinished_texts(make: Callable[..., GenerationScheduler]) -> None:
    decoder, graph = make(streams=1), Letters()
    model = await warmed(decoder, graph)
    streams = [decoder.submit(model, letters(letter, 10_000_000), 0.0) for letter in "ab"]
    graph.allow()
    await streams[0].wait_first_token()
    await asyncio.to_thread(decoder.close)
    for stream in streams:
        with pytest.raises(Unavailable, match="stopped"):
            await stream.result()
    with pytest.raises(Unavailable, match="stopping"):
        decoder.submit(model, letters(), 0.0)
    assert decoder.admission.in_flight == 0


async def test_every_slot_is_released(make: Callable[..., GenerationScheduler]) -> None:
    decoder, model = make(streams=3), recurrent(Letters())
    streams = [decoder.submit(model, letters(letter, 15), 0.0) for letter in LETTERS]
    for stream in streams[::5]:
        stream.cancel()
    await asyncio.gather(*(stream.result() for stream in streams), return_exceptions=True)
    await until(lambda: decoder.admission.in_flight == 0)
    assert decoder.admission.counters.admitted == len(LETTERS)
