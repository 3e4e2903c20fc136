"""Publish a trained character RNN.

Shapes: B batch, T time, L layers, H hidden, V vocabulary.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor
from torch.nn import functional

from models_store.manifest import Metric
from models_store.tasks import TextGeneration
from models_store.verify import GraphFn
from training.config.recipe import Recipe
from training.errors import ExportError
from training.networks.char_rnn import CharRNN
from training.plots.images import draw_text_sample
from training.publish.onnx.rnn_graph import (
    StepGraph,
    build_rnn_model,
    random_states,
    recurrent_states,
    zero_states,
)
from training.publish.spec import ExportSpec, GraphSpec, export_spec
from training.tasks.language import Language, random_windows

_CHUNK_LENGTH = 512
"""Number of characters per run when the validation text is read from end to end."""
_SAMPLE_LENGTH = 1200
"""Number of characters in the preview."""

StateMap = dict[str, NDArray[np.generic]]


@export_spec.register
def language_spec(task: Language, recipe: Recipe) -> ExportSpec:
    """Describe the step graph, nats per character, and a generated text as the preview."""
    del recipe  # the task holds everything
    network = task.network_to_publish().cpu()
    if not isinstance(network, CharRNN):
        raise ExportError(f"{type(network).__name__} has no step graph")
    served = TextGeneration(
        vocabulary=task.data.vocabulary,
        start=task.config.start,
        states=recurrent_states(network.rnn),
    )
    graph = GraphSpec(
        role="step",
        module=StepGraph(network),
        outputs=("logits", *(state.next for state in served.states)),
        cases=tuple(_cases(served)),
        build_onnx=partial(build_rnn_model, network),
    )
    return ExportSpec(
        task=served,
        graphs=(graph,),
        data=(task.data.to_data_source(),),
        report=lambda runs, preview: _report(runs["step"], task, served, preview),
    )


def _cases(served: TextGeneration) -> Iterator[dict[str, Tensor]]:
    """Yield a few texts with a state, a single first character, and a prompt."""
    random = Generator().manual_seed(0)
    for batch, time, scale in ((3, 5, 0.3), (1, 1, 0.0), (1, 33, 0.3)):
        tokens = torch.randint(len(served.vocabulary), (batch, time), generator=random)
        yield {"tokens": tokens, **random_states(served.states, batch, scale, random)}


def _report(
    run: GraphFn, task: Language, served: TextGeneration, preview: Path
) -> tuple[Metric, ...]:
    text_N = task.splits["validation"].cpu()
    windows_WN = random_windows(text_N)
    zeros = partial(zero_states, served.states)
    stateful = _nats_per_char(run, zeros(1), text_N[None])
    windows = _nats_per_char(run, zeros(len(windows_WN)), windows_WN)
    selection_note = "; the epoch was chosen on it" if task.train_config.early_stop else ""
    prompt = task.data.encode(task.config.start + task.config.sample)
    sampled = sample_text(run, zeros(1), prompt, task.config.temperature)
    text = task.config.sample + "".join(task.data.vocabulary[index] for index in sampled)
    title = f"{task.data.title}: {stateful:.3f} nats a character"
    draw_text_sample(
        text.lstrip("\n"), f"{title}; temperature {task.config.temperature:g}", preview
    )
    fraction = f"the last {len(text_N):,} characters{selection_note}"
    metric = partial(Metric, unit="nats/char", dataset=task.data.title, split="validation")
    length = windows_WN.shape[1] - 1
    return (
        metric(
            name="nll",
            value=stateful,
            n=len(text_N) - 1,
            note=f"{fraction}; read once from end to end, with the state carried along",
        ),
        metric(
            name="nll_windows",
            value=windows,
            n=len(windows_WN) * length,
            note=f"{len(windows_WN)} windows of {length} characters of it, drawn with a fixed "
            "seed, without context",
        ),
        *_answers(run, task, zeros(1)),
    )


def _answers(run: GraphFn, task: Language, zeros: StateMap) -> Iterator[Metric]:
    """Yield the share of held-out lines that are completed correctly, for texts of such lines."""
    if not task.config.answer_after:
        return
    # The first line may start before the split, and the last one may be cut.
    lines = task.data.decode(task.splits["validation"].cpu()).split("\n")[1:-1]
    parts = [line.partition(task.config.answer_after) for line in lines]
    correct = [
        _completed(run, task, zeros, question + separator, len(answer) + 1) == f"{answer}\n"
        for question, separator, answer in parts
        if separator
    ]
    yield Metric(
        name="answers_right",
        value=sum(correct) / max(1, len(correct)),
        dataset=task.data.title,
        split="validation",
        n=len(correct),
        note="held-out lines completed exactly by greedy decoding, without context",
    )


def _completed(run: GraphFn, task: Language, states: StateMap, prompt: str, length: int) -> str:
    """Complete a prompt by the most likely character, `length` times."""
    tokens_BT, text = task.data.encode(task.config.start + prompt)[None].numpy(), ""
    for _ in range(length):
        logits_BTV, states = _step(run, states, tokens_BT)
        tokens_BT = logits_BTV[:, -1:].argmax(2)
        text += task.data.vocabulary[int(tokens_BT[0, 0])]
    return text


def _nats_per_char(run: GraphFn, states: StateMap, rows_BN: Tensor) -> float:
    """Return mean nats per character of rows, with states carried along each row."""
    total = 0.0
    for tokens, targets in zip(
        torch.split(rows_BN[:, :-1], _CHUNK_LENGTH, 1),
        torch.split(rows_BN[:, 1:], _CHUNK_LENGTH, 1),
        strict=True,
    ):
        logits, states = _step(run, states, tokens.contiguous().numpy())
        nats = functional.cross_entropy(
            torch.from_numpy(logits).flatten(0, 1).double(), targets.flatten(), reduction="sum"
        )
        total += float(nats)
    return total / rows_BN[:, 1:].numel()


def _step(
    run: GraphFn, states: StateMap, tokens_BT: NDArray[np.int64]
) -> tuple[NDArray[np.float32], StateMap]:
    outputs = run({"tokens": tokens_BT, **states})
    logits = np.asarray(outputs["logits"], np.float32)
    return logits, {name: np.asarray(outputs[f"next_{name}"]) for name in states}


def sample_text(
    run: GraphFn,
    states: StateMap,
    prompt_N: Tensor,
    temperature: float,
    length: int = _SAMPLE_LENGTH,
) -> list[int]:
    """Sample `length` characters after a prompt, with a fixed seed."""
    random = np.random.default_rng(0)
    tokens_BT, sampled = prompt_N[None].numpy(), []
    for _ in range(length):
        logits_BTV, states = _step(run, states, tokens_BT)
        scores_V = logits_BTV[0, -1].astype(np.float64) / temperature
        weights_V = np.exp(scores_V - scores_V.max())
        sampled.append(int(random.choice(len(weights_V), p=weights_V / weights_V.sum())))
        tokens_BT = np.array([[sampled[-1]]])
    return sampled
