"""The real `openai` client against the real service on a real socket."""

import asyncio
import math
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.e2e.server import Server, running_server
from tests.fakes.image_models import MeanColorClassifier, publish_image_model
from tests.fakes.text_model import (
    VOCABULARY,
    AlphabetModel,
    RandomLstmModel,
    publish_text_model,
    publish_text_model_with_int8,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("store")
    publish_text_model(folder, "alphabet", AlphabetModel())
    publish_text_model(folder, "babble", RandomLstmModel())
    publish_image_model(folder, "paint", MeanColorClassifier())
    publish_text_model_with_int8(folder, "twofold", tmp_path_factory.mktemp("other"))
    log = tmp_path_factory.mktemp("log") / "log"
    limits = {
        "max_concurrent_generations": 6,
        "max_text_chars": 100,
        "max_prompt_chars": 50,
        "store_poll_interval_s": 0,
    }
    with running_server(folder, log, **limits) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[openai.OpenAI]:
    url = f"{server.url}/openai/v1"
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        yield client


def test_text_models_are_listed(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["alphabet", "babble", "twofold"]
    model = client.models.retrieve("alphabet")
    assert (model.object, model.owned_by) == ("model", "deepshelf")
    assert model.created == 1767225600  # 2026-01-01, as its manifest says


def test_a_prompt_is_completed(client: openai.OpenAI) -> None:
    response = client.completions.create(model="alphabet", prompt="abc", max_tokens=5)
    assert response.object == "text_completion"
    assert response.model == "alphabet"
    assert response.id.startswith("cmpl-")
    (choice,) = response.choices
    assert (choice.text, choice.finish_reason, choice.index) == ("defgh", "length", 0)
    assert choice.logprobs is None
    assert response.usage is not None
    assert (response.usage.prompt_tokens, response.usage.completion_tokens) == (3, 5)
    assert response.usage.total_tokens == 8


def test_the_defaults_are_openais(client: openai.OpenAI) -> None:
    response = client.completions.create(model="alphabet", prompt="a")
    assert response.choices[0].text == "bcdefghijklmnopq"  # 16 tokens


def test_several_prompts_and_several_texts_of_each(client: openai.OpenAI) -> None:
    response = client.completions.create(
        model="babble", prompt=["abc", "xyz"], n=3, seed=5, max_tokens=30, temperature=1.3
    )
    assert [choice.index for choice in response.choices] == [0, 1, 2, 3, 4, 5]
    texts = [choice.text for choice in response.choices]
    assert len(set(texts)) == 6
    assert response.usage is not None
    assert (response.usage.prompt_tokens, response.usage.completion_tokens) == (6, 180)
    # Choice i is written with seed + i, whatever else is in the batch.
    alone = client.completions.create(
        model="babble", prompt="xyz", seed=9, max_tokens=30, temperature=1.3
    )
    assert alone.choices[0].text == texts[4]


@pytest.mark.parametrize(
    "options",
    [{"temperature": 0}, {"top_p": 0.5}, {"top_p": 0}, {"extra_body": {"top_k": 3}}, {"seed": -4}],
)
def test_a_seed_gives_the_same_text_again(client: openai.OpenAI, options: dict[str, Any]) -> None:
    requested = {"model": "babble", "prompt": "hello", "max_tokens": 40, "seed": 7, **options}
    first, second = (client.completions.create(**requested).choices[0].text for _ in range(2))
    assert first == second


def test_a_text_ends_before_a_stop_string(client: openai.OpenAI) -> None:
    for stop in ("fg", ["qq", "fg"]):
        response = client.completions.create(model="alphabet", prompt="a", stop=stop, max_tokens=20)
        assert (response.choices[0].text, response.choices[0].finish_reason) == ("bcde", "stop")
        assert response.usage is not None
        assert response.usage.completion_tokens == 4


def test_the_prompt_may_be_echoed(client: openai.OpenAI) -> None:
    response = client.completions.create(model="alphabet", prompt="abc", max_tokens=2, echo=True)
    assert response.choices[0].text == "abcde"
    stream = client.completions.create(
        model="alphabet", prompt="abc", max_tokens=2, echo=True, stream=True
    )
    assert "".join(event.choices[0].text for event in stream) == "abcde"


def test_log_probabilities_are_those_of_the_graph(client: openai.OpenAI) -> None:
    """Expect logits of 50 for the next character and 0 for the others."""
    response = client.completions.create(
        model="alphabet", prompt="ab", max_tokens=3, logprobs=2, temperature=0.5
    )
    reported = response.choices[0].logprobs
    assert reported is not None
    assert reported.tokens == ["c", "d", "e"]
    assert reported.text_offset == [2, 3, 4]
    others = len(VOCABULARY) - 1
    likely = -math.log1p(others * math.exp(-50))
    assert reported.token_logprobs == pytest.approx([likely] * 3)
    assert reported.top_logprobs is not None
    # Of equal probabilities, the first of the vocabulary is returned.
    assert reported.top_logprobs[0] == pytest.approx({"c": likely, "\n": likely - 50})


def test_a_request_chooses_the_precision(client: openai.OpenAI) -> None:
    for requested, reported, sure in (({}, "int8", 49.97), ({"precision": "fp32"}, "fp32", 50)):
        response = client.completions.create(
            model="twofold", prompt="a", max_tokens=1, logprobs=2, extra_body=requested
        )
        assert response.model_extra == {"precision": reported}
        logprobs = response.choices[0].logprobs
        assert logprobs is not None
        assert logprobs.top_logprobs is not None
        assert logprobs.top_logprobs[0]["\n"] == pytest.approx(-sure, abs=1e-3)
    assert client.completions.create(model="alphabet", prompt="a").model_extra == {}


def test_log_probabilities_add_up(client: openai.OpenAI) -> None:
    response = client.completions.create(
        model="babble", prompt="ab", max_tokens=20, logprobs=5, seed=1, stop="zz"
    )
    reported = response.choices[0].logprobs
    assert reported is not None
    assert "".join(reported.tokens or ()) == response.choices[0].text
    for token, logprob, top in zip(
        reported.tokens or (),
        reported.token_logprobs or (),
        reported.top_logprobs or (),
        strict=True,
    ):
        assert top[token] == logprob
        assert len(top) in (5, 6)
        assert sum(map(math.exp, top.values())) < 1


def test_stream_has_the_same_text_in_chunks(client: openai.OpenAI) -> None:
    requested: dict[str, Any] = {
        "model": "babble", "prompt": ["abc", "xyz"], "n": 2, "seed": 5, "max_tokens": 90,
        "logprobs": 1, "stop": "aa",
    }  # fmt: skip
    whole = client.completions.create(**requested)
    stream = client.completions.create(
        **requested, stream=True, stream_options={"include_usage": True}
    )
    texts = [""] * 4
    tokens: list[list[str]] = [[] for _ in range(4)]
    reasons: list[str | None] = [None] * 4
    *events, last = list(stream)
    for event in events:
        (choice,) = event.choices
        assert reasons[choice.index] is None
        texts[choice.index] += choice.text
        tokens[choice.index] += (choice.logprobs and choice.logprobs.tokens) or []
        reasons[choice.index] = choice.finish_reason
    assert texts == [choice.text for choice in whole.choices]
    assert reasons == [choice.finish_reason for choice in whole.choices]
    assert tokens == [
        (choice.logprobs and choice.logprobs.tokens) or [] for choice in whole.choices
    ]
    assert last.choices == []
    assert last.usage == whole.usage


def test_the_asynchronous_client_streams_too(server: Server) -> None:
    async def stream_text() -> str:
        url = f"{server.url}/openai/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key="none") as client:
            stream = await client.completions.create(
                model="alphabet", prompt="é", max_tokens=3, stream=True
            )
            return "".join([event.choices[0].text async for event in stream])

    assert asyncio.run(stream_text()) == "€😀\n"


@pytest.mark.parametrize(
    ("wrong", "param", "why"),
    [
        ({"temperature": 3}, "temperature", "must be at most 2"),
        ({"top_p": -1}, "top_p", "must be at least 0"),
        ({"n": 0}, "n", "must be at least 1"),
        ({"n": 7}, None, "7 texts are requested; one request may ask for 1 to 6"),
        ({"logprobs": 6}, "logprobs", "must be at most 5"),
        ({"max_tokens": 101}, None, "max_tokens is 101; it must be 1 to 100"),
        ({"max_tokens": 0}, "max_tokens", "must be at least 1"),
        ({"prompt": [1, 2]}, "prompt", "token ids are not supported"),
        ({"prompt": []}, "prompt", "at least 1"),
        ({"prompt": "A"}, None, "'A' (U+0041)"),
        ({"prompt": "a" * 51}, None, "51 characters"),
        ({"stop": [""]}, "stop.0", "at least 1 character"),
        ({"presence_penalty": 1}, "presence_penalty", "not supported"),
        ({"logit_bias": {"5": 1}}, "logit_bias", "not supported"),
        ({"suffix": "x"}, "suffix", "must be ''"),
        ({"best_of": 2}, None, "best_of is 2; it must equal n, which is 1"),
        ({"echo": True, "logprobs": 1}, None, "echo and logprobs"),
        (
            {"stream_options": {"include_usage": True}},
            None,
            "stream_options needs stream to be true",
        ),
        ({"extra_body": {"min_p": 0.1}}, None, "unknown parameter 'min_p'"),
        ({"extra_body": {"precision": "bf16"}}, "precision", "'fp32' or 'int8'"),
        ({"extra_body": {"precision": "int8"}}, None, "precision is int8; alphabet 1 has fp32"),
    ],
)
def test_a_wrong_value_is_named(
    client: openai.OpenAI, wrong: dict[str, Any], param: str | None, why: str
) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        client.completions.create(**{"model": "alphabet", "prompt": "a", **wrong})
    error = raised.value
    assert why in error.message
    assert error.type == "invalid_request_error"
    assert param in (None, error.param)


@pytest.mark.parametrize("name", ["nobody", "paint"])
def test_model_of_another_task_is_not_found(client: openai.OpenAI, name: str) -> None:
    with pytest.raises(openai.NotFoundError, match="alphabet, babble") as raised:
        client.completions.create(model=name, prompt="a")
    assert raised.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve(name)


def test_unsupported_endpoints_have_openai_errors(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        client.chat.completions.create(
            model="alphabet", messages=[{"role": "user", "content": "hello"}]
        )
    assert "/openai/v1/chat/completions is not supported" in raised.value.message


def test_closing_a_stream_stops_the_generation(server: Server, client: openai.OpenAI) -> None:
    stream = client.completions.create(model="babble", prompt="a", max_tokens=100, n=6, stream=True)
    next(iter(stream))
    stream.close()
    # All six places are given back, so six more texts find one.
    response = client.with_options(max_retries=5).completions.create(
        model="alphabet", prompt="a", n=6, max_tokens=1
    )
    assert [choice.text for choice in response.choices] == ["b"] * 6
