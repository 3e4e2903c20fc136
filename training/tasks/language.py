"""Character-level language modeling: truncated backpropagation through time, nats per character.

The text is split into B contiguous lanes. A step reads the next T characters of every lane and
continues from the state of the previous step, without gradient into it (Williams and Peng 1990;
Mikolov et al. 2010). Every epoch starts from the zero state and splits the text at another
position, so that an epoch's computation depends only on its seed.

Shapes: B lanes, T time, N characters of a text, W windows, V vocabulary.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn import functional

from training.config.tasks import LanguageConfig
from training.datasets.base import epoch_generator
from training.datasets.text import TextData
from training.errors import DataError, RecipeError
from training.networks.char_rnn import CharRNN
from training.networks.recurrent import RecurrentState
from training.tasks.base import Monitor, Scores, Split, build_task
from training.tasks.single_network import SingleNetwork

EVAL_WINDOW, EVAL_WINDOW_COUNT = 256, 400
"""Length and number of the windows without context that `window_loss` is measured on."""

_EVAL_BATCH = 64


class LanguageBatch(NamedTuple):
    """Input and target characters of one step."""

    tokens_BT: Tensor
    targets_BT: Tensor
    resets_state: bool
    """True for the first batch of an epoch, which starts from the zero state."""


@build_task.register(LanguageConfig)
class Language(SingleNetwork):
    """Minimize the cross entropy with the next character."""

    config: LanguageConfig
    data: TextData
    monitor = Monitor("loss", higher_is_better=False)

    def setup(self) -> None:
        data, config, network = self.data, self.config, self.train_config.network
        if not isinstance(data, TextData):
            raise RecipeError(f"{data.title} is not a text, which the task language needs")
        if not isinstance(network, CharRNN.Config):
            raise RecipeError("the task language needs the network char_rnn")
        size = len(data.vocabulary)
        if network.vocabulary not in (None, size):
            raise RecipeError(
                f"network.vocabulary is {network.vocabulary}, but {data.title} has {size} "
                "characters; leave it out"
            )
        self.update_network_config(vocabulary=size)
        # Fails before training, not at publication.
        data.encode(config.start + config.sample + config.answer_after)
        # The whole text is a few megabytes, so it stays on the device.
        self.splits = {
            "train": data.train_N.to(self.fabric.device),
            "validation": data.validation_N.to(self.fabric.device),
        }
        self._carried_state: RecurrentState | None = None

    def count_steps(self) -> int:
        characters, batch_size = len(self.data.train_N), self.train_config.batch_size
        steps = (characters - 1) // (batch_size * self.config.window)
        if steps < 1:
            raise RecipeError(
                f"{self.data.title} has {characters} training characters, fewer than one "
                f"step of batch_size {batch_size} × task.window {self.config.window}"
            )
        return steps

    def batches(self, epoch: int) -> Iterator[LanguageBatch]:
        generator = epoch_generator(self.train_config.seed, epoch)
        text_N, size = self.splits["train"], self.train_config.batch_size
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
        """Return nats per character with all of the preceding text, and with at most 255 of it."""
        network = self.network_to_publish().eval()
        text_N = self._split(split)
        with torch.inference_mode(), self.fabric.autocast():
            return {
                "loss": _loss_with_context(network, text_N),
                "window_loss": _loss_without_context(network, text_N),
            }

    def _split(self, name: Split) -> Tensor:
        """Return a split. Raises DataError when a text has no such split."""
        if name not in self.splits:
            raise DataError(f"{self.data.title} has no {name} split: it has train and validation")
        return self.splits[name]

    def has_split(self, split: Split) -> bool:
        return split in self.splits


def _shuffled(text_N: Tensor, end: int, generator: Generator) -> Tensor:
    """Return the lines of a text in random order; text after the last `end` stays in place."""
    ends = (text_N == end).nonzero().flatten() + 1
    *lines, rest = torch.tensor_split(text_N, ends.tolist())
    order = torch.randperm(len(lines), generator=generator).tolist()
    return torch.cat([*(lines[index] for index in order), rest])


def contiguous_batches(
    text_N: Tensor, batch_size: int, window: int, steps: int
) -> Iterator[LanguageBatch]:
    """Yield `steps` batches of `batch_size` contiguous lanes; the rest of the text is unused."""
    length = steps * window
    tokens_BN = text_N[: batch_size * length].view(batch_size, length)
    targets_BN = text_N[1 : batch_size * length + 1].view(batch_size, length)
    for step in range(steps):
        part = slice(step * window, (step + 1) * window)
        yield LanguageBatch(tokens_BN[:, part], targets_BN[:, part], resets_state=step == 0)


def random_windows(text_N: Tensor) -> Tensor:
    """Return windows (W, T + 1) of a text, drawn with a fixed seed."""
    length = min(EVAL_WINDOW, len(text_N) - 1)
    starts_W = torch.randint(
        len(text_N) - length, (EVAL_WINDOW_COUNT,), generator=Generator().manual_seed(0)
    ).to(text_N.device)
    return text_N[starts_W[:, None] + torch.arange(length + 1, device=text_N.device)]


def _cross_entropy(logits_BTV: Tensor, targets_BT: Tensor) -> Tensor:
    """Return the nats of each character (B·T,)."""
    return functional.cross_entropy(
        logits_BTV.flatten(0, 1).float(), targets_BT.flatten(), reduction="none"
    )


def _loss_with_context(network: torch.nn.Module, text_N: Tensor) -> float:
    """Return the mean nats of all characters but the first, each given the preceding text.

    One lane would be exact but slow. Up to 64 lanes are read in parallel, each starting one window
    before its part so that its state is warm. The published metric uses one lane.
    """
    total = len(text_N) - 1
    length = math.ceil(total / min(_EVAL_BATCH, max(1, total // (4 * EVAL_WINDOW))))
    starts = range(0, total, length)
    # The first lane has no preceding window and the last one may end early: -1 is ignored.
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
