"""OpenAI's completions: parameters → texts → choices or chunks. A token is a character."""

import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from models_store.tasks import TextGeneration
from service.errors import InvalidValue
from service.handlers.generation import GenerationGroup, TextLimits, build_generation_request
from service.runtime.loaded_model import LoadedModel
from service.scheduling.generation_stream import GenerationRequest
from service.scheduling.sampling import SamplingParams
from service.schemas.openai import Completion, CompletionChoice, CompletionParams, LogProbs, Usage

_SEED_COUNT = 2**63
_MIN_TOP_P = 1e-9
"""OpenAI accepts 0, which means only the most likely character; this value means the same."""


def build_generation_requests(
    model: LoadedModel[TextGeneration], params: CompletionParams, limits: TextLimits
) -> list[GenerationRequest]:
    """Return generation requests, `n` per prompt, in the order of the choices.

    Raises:
        InvalidValue: a prompt is too long or has unknown characters, or a limit is exceeded.
    """
    if params.max_tokens > limits.max_text_chars:
        raise InvalidValue(
            f"max_tokens is {params.max_tokens}; it must be 1 to {limits.max_text_chars}; a token "
            "is a character",
            limit=limits.max_text_chars,
            param="max_tokens",
        )
    seed = secrets.randbits(32) if params.seed is None else params.seed
    sampling = SamplingParams(
        temperature=1.0 if params.temperature is None else params.temperature,
        top_k=params.top_k,
        top_p=max(1.0 if params.top_p is None else params.top_p, _MIN_TOP_P),
    )
    requests: list[GenerationRequest] = []
    for prompt in params.prompt:
        request = build_generation_request(
            model,
            prompt,
            params.max_tokens,
            sampling,
            limits,
            stop=params.stop,
            top_logprobs=params.logprobs,
        )
        for _ in range(params.n or 1):
            requests.append(replace(request, seed=(seed + len(requests)) % _SEED_COUNT))
    return requests


class CompletionBuilder:
    """Builds completion objects from generated texts."""

    def __init__(
        self,
        model: LoadedModel[TextGeneration],
        params: CompletionParams,
        group: GenerationGroup,
        request_id: str,
    ) -> None:
        self._model, self._params, self._group = model, params, group
        self._id = f"cmpl-{request_id}"
        self._created = int(time.time())
        stream_options = params.stream_options
        self._streams_usage = stream_options is not None and stream_options.include_usage

    async def build(self) -> Completion:
        """Return all texts when they are complete. Raises what `GenerationStream.result` raises."""
        texts = await self._group.results()
        choices = [
            CompletionChoice(
                text=self._echoed_prompt(index) + text,
                index=index,
                logprobs=self._build_logprobs(index, 0, text),
                finish_reason=self._group.streams[index].final_reason,
            )
            for index, text in enumerate(texts)
        ]
        return self._build_completion(choices, usage=self._build_usage(sum(map(len, texts))))

    async def chunks(self) -> AsyncIterator[Completion]:
        """Yield chunks of the texts as they are generated. Raises what `build` raises."""
        sent_chars = [0] * len(self._group.streams)
        if self._params.echo:
            for index in range(len(sent_chars)):
                yield self._build_completion(
                    [self._build_choice(index, self._echoed_prompt(index), 0)]
                )
        async for index, text, is_last in self._group.chunks():
            choice = self._build_choice(index, text, sent_chars[index], is_last=is_last)
            sent_chars[index] += len(text)
            yield self._build_completion([choice])
        if self._streams_usage:
            yield self._build_completion([], usage=self._build_usage(sum(sent_chars)))

    def _build_choice(
        self, index: int, text: str, start: int, *, is_last: bool = False
    ) -> CompletionChoice:
        return CompletionChoice(
            text=text,
            index=index,
            logprobs=self._build_logprobs(index, start, text),
            finish_reason=self._group.streams[index].final_reason if is_last else None,
        )

    def _build_completion(
        self, choices: list[CompletionChoice], usage: Usage | None = None
    ) -> Completion:
        extra: dict[str, Any] = {}
        if usage is not None or self._streams_usage:
            extra["usage"] = usage  # null in all events but the last
        if self._model.variants:  # present only if there is a choice
            extra["precision"] = self._model.precision
        return Completion(
            id=self._id,
            object="text_completion",
            created=self._created,
            model=self._model.name,
            choices=choices,
            **extra,
        )

    def _get_prompt(self, index: int) -> str:
        return self._params.prompt[index // (self._params.n or 1)]

    def _echoed_prompt(self, index: int) -> str:
        return self._get_prompt(index) if self._params.echo else ""

    def _build_usage(self, completion_chars: int) -> Usage:
        prompt_chars = sum(map(len, self._params.prompt))
        return Usage(
            prompt_tokens=prompt_chars,
            completion_tokens=completion_chars,
            total_tokens=prompt_chars + completion_chars,
        )

    def _build_logprobs(self, index: int, start: int, text: str) -> LogProbs | None:
        """Return the log probabilities of `text`, which starts at character `start`."""
        if self._params.logprobs is None:
            return None
        stream, offset = self._group.streams[index], len(self._get_prompt(index)) + start
        vocabulary = stream.request.vocabulary
        scores = stream.logprobs[start : start + len(text)]
        return LogProbs(
            tokens=list(text),
            token_logprobs=[score.logprob for score in scores],
            top_logprobs=[
                {
                    **{vocabulary[token]: logprob for token, logprob in score.top},
                    character: score.logprob,
                }
                for character, score in zip(text, scores, strict=True)
            ],
            text_offset=list(range(offset, offset + len(text))),
        )
