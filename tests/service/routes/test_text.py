"""`POST /v1/text`, from the request's bytes to the response's, without a socket."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.scheduling.continuous_batching import GenerationScheduler, StepResult
from tests.fakes.image_models import MeanColorClassifier, publish_image_model
from tests.fakes.text_model import VOCABULARY, AlphabetModel, RandomLstmModel, publish_text_model
from tests.service.serving import AsgiRequest, get_app_state, running_app
from tests.waiting import LIMIT_S, until

pytestmark = pytest.mark.anyio

ENDLESS = 10_000_000
"""More characters than any machine writes within a test."""


@pytest.fixture(scope="module")
def published_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    publish_text_model(folder, "alphabet", AlphabetModel())
    publish_text_model(folder, "babble", RandomLstmModel())
    publish_text_model(folder, "babble", RandomLstmModel(seed=1))
    publish_image_model(folder, "paint", MeanColorClassifier())
    return folder


def serving(store: Path, **settings: Any) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    settings = {"defaults": {"text": "alphabet"}, "workers": 1, **settings}
    return running_app(store, **settings)


@pytest.fixture
async def client(published_store: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(published_store) as client:
        yield client


def events(body: str) -> list[Any]:
    """Return the parsed data of each event; `[DONE]` stays text."""
    assert body.endswith("\n\n")
    lines = [line for line in body.split("\n\n") if line]
    datas = [line.removeprefix("data: ") for line in lines]
    return [data if data == "[DONE]" else json.loads(data) for data in datas]


async def test_a_prompt_is_continued(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/text", json={"prompt": "abc", "max_chars": 5})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    reported = response.json()
    assert isinstance(reported.pop("seed"), int)
    assert reported == {
        "model": "alphabet", "version": 1, "text": "defgh", "finish_reason": "length",
    }  # fmt: skip


async def test_text_ends_before_a_stop_string(client: httpx.AsyncClient) -> None:
    request_body = {"prompt": "a", "stop": ["qqq", "fg"], "max_chars": 20}
    reported = (await client.post("/v1/text", json=request_body)).json()
    assert (reported["text"], reported["finish_reason"]) == ("bcde", "stop")


async def test_without_a_prompt_the_model_begins_by_itself(client: httpx.AsyncClient) -> None:
    reported = (await client.post("/v1/text", json={"max_chars": 3})).json()
    assert reported["text"] == "abc"  # after the new line that it starts from


async def test_characters_beyond_ascii_are_preserved(
    client: httpx.AsyncClient,
) -> None:
    response = await client.post("/v1/text", json={"prompt": "é", "max_chars": 3})
    assert response.json()["text"] == "€😀\n"
    assert "€😀".encode() in response.content
    escaped = await client.post(
        "/v1/text", content=b'{"prompt": "\\u20ac\\ud83d\\ude00", "max_chars": 1}'
    )
    assert escaped.json()["text"] == "\n"
    streamed = await client.post("/v1/text", json={"prompt": "z", "max_chars": 4, "stream": True})
    assert "".join(event["text"] for event in events(streamed.text)[:-1]) == "é€😀\n"


@pytest.mark.parametrize(
    "options",
    [{}, {"top_k": 5}, {"top_p": 0.6}, {"temperature": 0}, {"temperature": 2.0, "top_p": 0.9}],
)
async def test_a_seed_gives_the_same_text_again(
    client: httpx.AsyncClient, options: dict[str, Any]
) -> None:
    request_body = {"model": "babble", "prompt": "hello", "seed": 11, "max_chars": 60, **options}
    alone = (await client.post("/v1/text", json=request_body)).json()
    others = [{**request_body, "seed": seed, "temperature": 1.0} for seed in range(7)]
    responses = await asyncio.gather(
        *(
            client.post("/v1/text", json=requested)
            for requested in [*others[:4], request_body, *others[4:]]
        )
    )
    assert responses[4].json() == alone
    assert len(alone["text"]) == 60


async def test_default_seed_is_random_and_returned(
    client: httpx.AsyncClient,
) -> None:
    request_body = {"model": "babble", "prompt": "hello", "max_chars": 60, "temperature": 1.5}
    first, second = [(await client.post("/v1/text", json=request_body)).json() for _ in range(2)]
    assert first["text"] != second["text"]
    again = await client.post("/v1/text", json={**request_body, "seed": first["seed"]})
    assert again.json() == first


async def test_stream_has_the_same_text_in_chunks(client: httpx.AsyncClient) -> None:
    request_body = {"model": "babble", "prompt": "hello", "seed": 3, "max_chars": 200, "stop": "aa"}
    whole = (await client.post("/v1/text", json=request_body)).json()
    response = await client.post("/v1/text", json={**request_body, "stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    assert "content-length" not in response.headers
    reported = events(response.text)
    *pieces, last, done = reported
    assert done == "[DONE]"
    assert "".join(piece["text"] for piece in [*pieces, last]) == whole.pop("text")
    assert {name: last[name] for name in whole} == whole
    assert all(set(piece) == {"text"} for piece in pieces)


async def test_a_version_can_be_chosen(client: httpx.AsyncClient) -> None:
    request_body = {"model": "babble", "prompt": "hello", "seed": 3}
    first, second = [
        (await client.post("/v1/text", json={**request_body, "version": version})).json()
        for version in (1, 2)
    ]
    assert (first["version"], second["version"]) == (1, 2)
    assert first["text"] != second["text"]


async def test_unknown_characters_are_named(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/text", json={"prompt": "naïve Ärger\t"})
    assert response.status_code == 422
    problem = response.json()
    assert problem["characters"] == ["ï", " ", "Ä", "\t"]
    assert "'ï' (U+00EF), ' ' (U+0020), 'Ä' (U+00C4), '\\t' (U+0009)" in problem["detail"]
    assert f"it knows {len(VOCABULARY)}" in problem["detail"]


async def test_of_many_unknown_characters_some_are_named(client: httpx.AsyncClient) -> None:
    problem = (await client.post("/v1/text", json={"prompt": "ABCDEFGHIJKLMNOP"})).json()
    assert problem["characters"] == list("ABCDEFGHIJ")
    assert "and 6 more" in problem["detail"]


@pytest.mark.parametrize(
    ("request_body", "where"),
    [
        ({"temperature": -0.1}, "body.temperature"),
        ({"temperature": 2.5}, "body.temperature"),
        ({"top_p": 0}, "body.top_p"),
        ({"top_p": 1.1}, "body.top_p"),
        ({"top_k": 0}, "body.top_k"),
        ({"seed": -1}, "body.seed"),
        ({"seed": 2**63}, "body.seed"),
        ({"seed": True}, "body.seed"),
        ({"temperature": True}, "body.temperature"),
        ({"max_chars": 0}, "body.max_chars"),
        ({"stop": ""}, "body.stop.0"),
        ({"stop": ["a" * 65]}, "body.stop.0"),
        ({"stop": ["a"] * 9}, "body.stop"),
        ({"prompt": 3}, "body.prompt"),
        ({"promt": "a"}, "body"),
    ],
)
async def test_a_wrong_value_is_named(
    client: httpx.AsyncClient, request_body: dict[str, Any], where: str
) -> None:
    response = await client.post("/v1/text", json=request_body)
    assert response.status_code == 422
    assert [part["where"] for part in response.json()["errors"]] == [where]


async def test_there_are_limits_to_prompt_and_text(published_store: Path) -> None:
    async with serving(published_store, max_prompt_chars=4, max_text_chars=9) as client:
        ok = await client.post("/v1/text", json={"prompt": "abcd", "max_chars": 9})
        assert ok.json()["text"] == "efghijklm"
        long = await client.post("/v1/text", json={"prompt": "abcde", "max_chars": 9})
        assert (long.status_code, long.json()["limit"]) == (422, 4)
        much = await client.post("/v1/text", json={"prompt": "a", "max_chars": 10})
        assert (much.status_code, much.json()["limit"]) == (422, 9)
        huge = await client.post("/v1/text", content=b'{"prompt": "' + b"a" * 50_000)
        assert huge.status_code == 413


@pytest.mark.parametrize("body", [b"", b"{", b"prompt=abc", b"\xff", b'{"prompt": "\\ud800"}'])
async def test_a_body_that_is_not_json_is_a_bad_request(
    client: httpx.AsyncClient, body: bytes
) -> None:
    response = await client.post("/v1/text", content=body)
    assert response.status_code == 400
    assert "not JSON" in response.json()["detail"]


async def test_json_with_the_content_type_of_curl_is_accepted(client: httpx.AsyncClient) -> None:
    response = await client.post(
        "/v1/text",
        content=b'{"prompt": "a", "max_chars": 1}',
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert response.json()["text"] == "b"


async def test_form_body_is_rejected(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/text", files={"prompt": b"a"})
    assert (response.status_code, response.json()["accepted"]) == (415, ["application/json"])


async def test_model_of_another_task_is_rejected(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/text", json={"model": "paint"})
    assert response.status_code == 404
    assert response.json()["available"] == ["alphabet", "babble"]


async def test_full_queue_rejects_before_the_body_is_read(published_store: Path) -> None:
    settings = {"max_concurrent_generations": 1, "queue_size": 0, "max_text_chars": ENDLESS}
    async with serving(published_store, **settings) as client:
        steps = _recorded_steps(get_app_state(client).scheduler)
        request_body = {"model": "babble", "max_chars": ENDLESS}
        long = asyncio.create_task(client.post("/v1/text", json=request_body))
        await until(lambda: _generated(steps))
        response = await client.post("/v1/text", content=b"not read")
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) >= 1
        generated = _generated(steps)
        await until(lambda: _generated(steps) > generated)
        long.cancel()


async def test_text_past_its_deadline_gets_504(published_store: Path) -> None:
    settings = {"deadline_s": 0.05, "max_text_chars": ENDLESS}
    async with serving(published_store, **settings) as client:
        request_body = {"model": "babble", "max_chars": ENDLESS}
        response = await client.post("/v1/text", json=request_body)
        assert response.status_code == 504


async def test_a_stream_that_is_not_in_time_ends_with_the_problem(published_store: Path) -> None:
    settings = {"deadline_s": LIMIT_S, "max_text_chars": ENDLESS}
    async with serving(published_store, **settings) as client:
        controller, late = get_app_state(client).scheduler.admission, asyncio.Event()
        controller._clock = lambda: time.monotonic() + LIMIT_S * late.is_set()
        request_body = {"model": "babble", "max_chars": ENDLESS, "stream": True}
        caller = AsgiRequest(client, json.dumps(request_body).encode(), path="/v1/text")
        running = asyncio.create_task(caller.run())
        await caller.response_started.wait()
        late.set()
        assert await running == 200
        text = b"".join(message.get("body", b"") for message in caller.sent_messages).decode()
        *_, last = text.strip().split("\n\n")
        event, data = last.split("\n")
        assert event == "event: error"
        assert json.loads(data.removeprefix("data: "))["status"] == 504
        assert "[DONE]" not in text


def _recorded_steps(decoder: GenerationScheduler) -> list[StepResult]:
    """Return the steps of `decoder` from now on, which its own observer still sees."""
    steps: list[StepResult] = []
    observe = decoder.on_step

    def record(step: StepResult) -> None:
        observe(step)
        steps.append(step)

    decoder.on_step = record
    return steps


def _generated(steps: list[StepResult]) -> int:
    return sum(step.generated for step in steps)


@pytest.mark.parametrize("stream", [False, True])
async def test_client_disconnect_stops_the_generation(published_store: Path, stream: bool) -> None:
    async with serving(published_store, max_text_chars=ENDLESS) as client:
        decoder = get_app_state(client).scheduler
        steps = _recorded_steps(decoder)
        body = {"model": "babble", "max_chars": ENDLESS, "stream": stream}
        request = AsgiRequest(client, json.dumps(body).encode(), path="/v1/text")
        task = asyncio.create_task(request.run())
        await until(lambda: _generated(steps) > 20)
        request.disconnected.set()
        await task
        await until(lambda: decoder.admission.in_flight == 0)
        count = len(steps)
        assert not any(step.finished for step in steps)
        assert _generated(steps) < ENDLESS
        await asyncio.sleep(0.05)
        assert len(steps) == count


async def test_cancelled_request_task_stops_the_generation(published_store: Path) -> None:
    async with serving(published_store, max_text_chars=ENDLESS) as client:
        decoder = get_app_state(client).scheduler
        steps = _recorded_steps(decoder)
        body = {"model": "babble", "max_chars": ENDLESS}
        task = asyncio.create_task(client.post("/v1/text", json=body))
        await until(lambda: _generated(steps) > 20)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await until(lambda: decoder.admission.in_flight == 0)


async def test_openapi_document_has_both_kinds_of_response(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    operation = document["paths"]["/v1/text"]["post"]
    assert set(operation["responses"]["200"]["content"]) == {
        "application/json", "text/event-stream",
    }  # fmt: skip
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert {
        "prompt",
        "max_chars",
        "temperature",
        "top_k",
        "top_p",
        "seed",
        "stop",
        "stream",
    } <= set(schema["properties"])
    assert {"400", "404", "413", "415", "422", "503", "504"} <= set(operation["responses"])


async def test_a_model_whose_states_are_not_in_its_graph_is_not_served(tmp_path: Path) -> None:
    folder = publish_text_model(tmp_path, "alphabet", AlphabetModel())
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"width": 1', '"width": 2'))
    async with serving(tmp_path) as client:
        listed = (await client.get("/v1/models")).json()["models"][0]["versions"][0]
        assert listed["state"] == "failed"
        assert "count is float32 [1, 'batch', 1]" in listed["reason"]
        response = await client.post("/v1/text", json={"prompt": "a"})
        assert response.status_code == 503
