"""The next character of a text: truncated backpropagation through time, nats per character.

The text lies in B lanes side by side, each a contiguous part of it. A step reads the next T
characters of every lane and goes on from the state that the step before left, of which it learns
nothing (Williams and Peng 1990; Mikolov et al. 2010). Every epoch starts from no state, and with
the lanes cut elsewhere, so what an epoch computes depends on its seed alone.

Shapes: B lanes, T time, N characters of a text, W windows, V vocabulary.
"""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import torch
from lightning_fabric import Fabric
from pydantic import Field, PositiveInt
from torch import Generator, Tensor
from torch.nn import functional

from models_store.base import FrozenModel
from training.datasets.base import ImageData
from training.datasets.batches import epoch_seed
from training.datasets.text import TextData
from training.errors import DataError, RecipeError
from training.networks.char_rnn import CharRNN, RecurrentState
from training.publish.spec import ExportSpec
from training.publish.tasks import language as export
from training.tasks.base import Monitor, Scores, Split
from training.tasks.single_network import SingleNetwork

if TYPE_CHECKING:
    from training.config.recipe import Recipe

__all__ = [
    "EVAL_WINDOW",
    "EVAL_WINDOW_COUNT",
    "Language",
    "LanguageBatch",
    "contiguous_batches",
    "random_windows",
]

EVAL_WINDOW, EVAL_WINDOW_COUNT = 256, 400
"""Length and number of the windows without context that a model is measured on."""

_EVAL_BATCH = 64


class LanguageBatch(NamedTuple):
    """What one step reads."""

    tokens_BT: Tensor
    targets_BT: Tensor
    resets_state: bool
    """Of the epoch: nothing is remembered yet."""


class Language(SingleNetwork):
    """Cross entropy with the character that comes next."""

    monitor = Monitor("loss", higher_is_better=False)

    class Config(FrozenModel):
        kind: Literal["language"] = "language"
        window: PositiveInt = 128
        """Characters that a step's gradient reaches back."""
        forget: Annotated[float, Field(ge=0, lt=1)] = 0.0
        """Probability with which a lane's state is zeroed before a step: texts that are asked for
        begin without a past, which a state that is always carried would hardly ever have shown."""
        shuffle_lines: bool = False
        """Read the lines in a new order in every epoch, where none depends on the one before it:
        an order that stays is learnt by heart."""
        start: Annotated[str, Field(min_length=1)] = "\n"
        """What the service reads before every prompt, so that it is no part of a word before it."""
        answer_after: str = ""
        """What parts a line into a question and its answer: the card then tells how many of the
        held-out lines are answered rightly, each asked without a past."""
        sample: str = ""
        """The beginning that the preview continues."""
        temperature: Annotated[float, Field(gt=0, le=2)] = 0.7
        """Of the preview."""

        def build(self, recipe: "Recipe", data: ImageData | TextData, fabric: Fabric) -> "Language":
            if not isinstance(data, TextData):
                raise RecipeError(f"{data.title} is no text: the task language reads a corpus")
            return Language(self, recipe, data, fabric)

    def __init__(self, config: Config, recipe: "Recipe", data: TextData, fabric: Fabric) -> None:
        self.config = config
        self.data = data
        self._network_config = _resolve_network_config(recipe.network, data)
        data.encode(
            config.start + config.sample + config.answer_after
        )  # before training, not when it is published
        steps = (len(data.train_N) - 1) // (recipe.batch_size * config.window)
        if steps < 1:
            raise RecipeError(
                f"{data.title} has {len(data.train_N)} characters to learn from: fewer than one "
                f"step of batch_size {recipe.batch_size} × task.window {config.window}"
            )
        super().__init__(recipe, steps, fabric)
        # The whole text is a few megabytes: on the device, no step waits for it.
        self.splits = {
            "train": data.train_N.to(fabric.device),
            "validation": data.validation_N.to(fabric.device),
        }
        self._carried_state: RecurrentState | None = None

    def build_network(self) -> CharRNN:
        network = self._network_config.build()
        self.recipe.initializer.apply(network)
        return network

    def batches(self, epoch: int) -> Iterator[LanguageBatch]:
        generator = Generator().manual_seed(epoch_seed(self.recipe.seed, epoch))
        text_N, size = self.splits["train"], self.recipe.batch_size
        if self.config.shuffle_lines:
            text_N = _shuffled(text_N, int(self.data.encode("\n")), generator)
        start = int(torch.randint(len(text_N), (), generator=generator))
        return contiguous_batches(
            text_N.roll(-start), size, self.config.window, self.steps_per_epoch
        )

    def loss(self, batch: LanguageBatch) -> dict[str, Tensor]:
        state = None if batch.resets_state else self._reset_random_states(self._carried_state)
        logits_BTV, next_state = self.network(batch.tokens_BT, state)
        self._carried_state = tuple(part.detach() for part in next_state)
        return {"loss": _cross_entropy(logits_BTV, batch.targets_BT).mean()}

    def _reset_random_states(self, state: RecurrentState | None) -> RecurrentState | None:
        if state is None or not self.config.forget:
            return state
        keep_B = torch.rand(state[0].shape[1], device=state[0].device) >= self.config.forget
        return tuple(part * keep_B[None, :, None] for part in state)

    def evaluate(self, split: Split) -> Scores:
        """Mean nats per character: `loss` knows all that came before, `window_loss` at most 255."""
        network = self.network_to_publish().eval()
        text_N = self._split(split)
        with torch.inference_mode(), self.fabric.autocast():
            return {
                "loss": _loss_with_context(network, text_N),
                "window_loss": _loss_without_context(network, text_N),
            }

    def _split(self, name: Split) -> Tensor:
        """Raises DataError when a text has no such split."""
        if name not in self.splits:
            raise DataError(f"{self.data.title} has no {name} split: it has train and validation")
        return self.splits[name]

    def has_split(self, split: Split) -> bool:
        return split in self.splits

    def export_spec(self) -> ExportSpec:
        return export.export_spec(self)


def _resolve_network_config(config: object, data: TextData) -> CharRNN.Config:
    if not isinstance(config, CharRNN.Config):
        raise RecipeError("the task language needs a network that reads text: kind: char_rnn")
    vocabulary_size = len(data.vocabulary)
    if config.vocabulary not in (None, vocabulary_size):
        raise RecipeError(
            f"network.vocabulary is {config.vocabulary}, but {data.title} has {vocabulary_size} "
            "characters; "
            "leave it out"
        )
    return config.with_vocabulary(vocabulary_size)


def _shuffled(text_N: Tensor, end: int, generator: Generator) -> Tensor:
    """The lines of a text, each up to its `end`, in a random order; a last one without stays."""
    ends = (text_N == end).nonzero().flatten() + 1
    *lines, rest = torch.tensor_split(text_N, ends.tolist())
    order = torch.randperm(len(lines), generator=generator).tolist()
    return torch.cat([*(lines[index] for index in order), rest])


def contiguous_batches(
    text_N: Tensor, batch_size: int, window: int, steps: int
) -> Iterator[LanguageBatch]:
    """`steps` steps through `count` contiguous parts of the text; what is left over is not read."""
    length = steps * window
    tokens_BN = text_N[: batch_size * length].view(batch_size, length)
    targets_BN = text_N[1 : batch_size * length + 1].view(batch_size, length)
    for step in range(steps):
        part = slice(step * window, (step + 1) * window)
        yield LanguageBatch(tokens_BN[:, part], targets_BN[:, part], resets_state=step == 0)


def random_windows(text_N: Tensor) -> Tensor:
    """The windows (W, T + 1) that every model of a text is measured on, chosen by a fixed seed."""
    length = min(EVAL_WINDOW, len(text_N) - 1)
    starts_W = torch.randint(
        len(text_N) - length, (EVAL_WINDOW_COUNT,), generator=Generator().manual_seed(0)
    ).to(text_N.device)
    return text_N[starts_W[:, None] + torch.arange(length + 1, device=text_N.device)]


def _cross_entropy(logits_BTV: Tensor, targets_BT: Tensor) -> Tensor:
    """Nats of each character (B·T,)."""
    return functional.cross_entropy(
        logits_BTV.flatten(0, 1).float(), targets_BT.flatten(), reduction="none"
    )


def _loss_with_context(network: torch.nn.Module, text_N: Tensor) -> float:
    """Nats of every character but the first, each knowing what came before it.

    One lane would be exact, and slow: a run per character. Here up to 64 lanes are read side by
    side, each from a window before its part on, so that none starts from nothing. The published
    figure is of one lane.
    """
    total = len(text_N) - 1
    length = math.ceil(total / min(_EVAL_BATCH, max(1, total // (4 * EVAL_WINDOW))))
    starts = range(0, total, length)
    # Before the first lane lies nothing, and the last one may end early: -1 counts for nothing.
    padded_N = functional.pad(text_N, (EVAL_WINDOW, length), value=-1)
    rows_BN = torch.stack([padded_N[start : start + EVAL_WINDOW + length + 1] for start in starts])
    _, state = network(rows_BN[:, :EVAL_WINDOW].clamp_min(0), None)
    first = torch.arange(len(starts), device=text_N.device) == 0
    state = tuple(part.masked_fill(first[None, :, None], 0) for part in state)
    nats = torch.zeros((), device=text_N.device)
    for tokens, targets in zip(
        torch.split(rows_BN[:, EVAL_WINDOW:-1], EVAL_WINDOW, 1),
        torch.split(rows_BN[:, EVAL_WINDOW + 1 :], EVAL_WINDOW, 1),
        strict=True,
    ):
        logits, state = network(tokens.clamp_min(0), state)
        nats += functional.cross_entropy(
            logits.flatten(0, 1).float(), targets.flatten(), ignore_index=-1, reduction="sum"
        )
    return float(nats) / total


def _loss_without_context(network: torch.nn.Module, text_N: Tensor) -> float:
    sums = [
        _cross_entropy(network(part[:, :-1])[0], part[:, 1:]).mean(0) * len(part)
        for part in torch.split(random_windows(text_N), 100)
    ]
    return float(torch.stack(sums).sum()) / EVAL_WINDOW_COUNT
