"""`/openai/v1` where OpenAI's client does not show it: errors of bodies, queues and streams."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.text_model import AlphabetModel, RandomLstmModel, publish_text_model
from tests.service.serving import AsgiRequest, get_app_state, running_app
from tests.waiting import until

pytestmark = pytest.mark.anyio

COMPLETIONS = "/openai/v1/completions"
ENDLESS = 10_000_000
"""More characters than any machine writes within a test."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    publish_text_model(folder, "alphabet", AlphabetModel())
    publish_text_model(folder, "babble", RandomLstmModel())
    return folder


@pytest.fixture(scope="module")
async def client(store: Path, anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:
    async with running_app(store, max_concurrent_generations=2, max_prompt_chars=20) as client:
        yield client


def error_of(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    (error,) = response.json().values()
    assert set(error) == {"message", "type", "param", "code"}
    reported: dict[str, Any] = error
    return reported


async def test_errors_of_bodies_have_openais_shape(client: httpx.AsyncClient) -> None:
    assert "not JSON" in error_of(await client.post(COMPLETIONS, content=b"{"), 400)["message"]
    error_of(await client.post(COMPLETIONS, content=b" " * 50_000), 413)
    error_of(await client.post(COMPLETIONS, files={"prompt": b"a"}), 415)
    error_of(await client.get(COMPLETIONS), 405)
    error_of(await client.get("/openai"), 404)


async def test_null_max_tokens_means_16_and_an_empty_suffix_is_accepted(
    client: httpx.AsyncClient,
) -> None:
    body = {"model": "alphabet", "prompt": "a", "max_tokens": None, "suffix": ""}
    completion = (await client.post(COMPLETIONS, json=body)).json()
    assert len(completion["choices"][0]["text"]) == 16
    error = error_of(await client.post(COMPLETIONS, json={**body, "suffix": "x"}), 400)
    assert error["param"] == "suffix"


async def test_stream_with_usage_has_null_usage_in_all_events_but_the_last(
    client: httpx.AsyncClient,
) -> None:
    body = {
        "model": "alphabet", "prompt": "a", "max_tokens": 3, "stream": True,
        "stream_options": {"include_usage": True},
    }  # fmt: skip
    text = (await client.post(COMPLETIONS, json=body)).text
    *events, done = [line.removeprefix("data: ") for line in text.split("\n") if line]
    *chunks, last = [json.loads(event) for event in events]
    assert done == "[DONE]"
    assert {chunk["usage"] for chunk in chunks} == {None}
    assert last["usage"] == {"prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 4}


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 10**9}, "max_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"prompt": "a" * 30}, "prompt"),
        ({"prompt": "ä"}, "prompt"),
        ({"n": 3}, "n"),
        ({"best_of": 2}, "best_of"),
        ({"echo": True, "logprobs": 1}, "logprobs"),
        ({"stream_options": {}}, "stream_options"),
        ({"logit_bias": {"1": 2}}, "logit_bias"),
    ],
)
async def test_errors_name_the_parameter(
    client: httpx.AsyncClient, changes: dict[str, object], param: str
) -> None:
    body = {"model": "alphabet", "prompt": "a", **changes}
    assert error_of(await client.post(COMPLETIONS, json=body), 400)["param"] == param


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/openai/v1/nothing", "unknown_url"),
        ("/openai/v1/chat/completions", "unknown_url"),
        ("/openai/v1/embeddings", "unknown_url"),
        ("/openai/v1/responses", "unknown_url"),
        (COMPLETIONS, "model_not_found"),
    ],
)
async def test_404_has_a_code_that_fits(client: httpx.AsyncClient, path: str, code: str) -> None:
    body = {"model": "nothing", "prompt": "a"}
    error = error_of(await client.post(path, json=body), 404)
    assert error["code"] == code
    if path != COMPLETIONS and "nothing" not in path:
        assert COMPLETIONS in error["message"]


async def test_null_is_as_if_it_were_left_out(client: httpx.AsyncClient) -> None:
    names = ("n", "temperature", "top_p", "stop", "seed", "stream", "logprobs", "echo", "suffix")
    request_body = {"prompt": "a", "model": "alphabet", "user": "me", **dict.fromkeys(names)}
    reported = (await client.post(COMPLETIONS, json=request_body)).json()
    assert reported["choices"][0]["text"] == "bcdefghijklmnopq"
    for default in ({}, {"model": None}):
        without = (await client.post(COMPLETIONS, json={"max_tokens": 2, **default})).json()
        assert (without["model"], len(without["choices"][0]["text"])) == ("babble", 2)


async def test_full_queue_gets_503_with_retry_after(store: Path) -> None:
    async with running_app(store, max_concurrent_generations=2, queue_size=0) as client:
        controller = get_app_state(client).scheduler.admission
        ticket = controller.admit(controller.now())
        response = await client.post(COMPLETIONS, json={"prompt": "a", "n": 2})
        assert error_of(response, 503)["type"] == "overloaded_error"
        assert int(response.headers["retry-after"]) >= 1
        ticket.release()


@pytest.mark.parametrize("count", [1, 3])
async def test_a_stream_that_is_not_in_time_ends_with_the_error(store: Path, count: int) -> None:
    async with running_app(store, max_text_chars=ENDLESS, deadline_s=30) as client:
        controller, late = get_app_state(client).scheduler.admission, asyncio.Event()
        controller._clock = lambda: time.monotonic() + 30 * late.is_set()
        request_body = {
            "model": "babble", "max_tokens": ENDLESS, "stream": True, "n": count
        }  # fmt: skip
        caller = AsgiRequest(client, json.dumps(request_body).encode(), path=COMPLETIONS)
        running = asyncio.create_task(caller.run())
        await caller.response_started.wait()
        late.set()
        assert await running == 200
        text = b"".join(message.get("body", b"") for message in caller.sent_messages).decode()
        *_, last = text.strip().split("\n\n")
        event, data = last.split("\n")
        assert event == "event: error"
        assert "30 s" in json.loads(data.removeprefix("data: "))["error"]["message"]
        assert "[DONE]" not in text
        await until(lambda: not controller.in_flight)
