"""Training steps a second: our loop beside a plain torch loop of the same net, in turns.

The plain loop takes random rows of tensors in memory through the network, the loss and torch's own
optimizer: no augmentation, average, clipping, log or checks. What ours takes more is what these
cost. `input` is the share of our step in which the cores wait for the next batch.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks import report
from training.fit import prepare
from training.recipe import Recipe, load
from training.tasks.language import Language
from training.tasks.supervised import Supervised

__all__ = ["train"]


def train(*, rounds: int, steps: int, recipes: list[str]) -> None:
    """Measure and write."""
    rows, raw = [], {}
    for name in recipes:
        recipe = load(name)
        _, task = prepare(recipe)
        if not isinstance(task, Language | Supervised):
            raise RuntimeError(f"{name}: measured are recipes of pictures and texts")  # noqa: TRY004
        ours, plain = _Ours(task), _plain(task, recipe)
        per_step = recipe.batch_size * (task.config.window if isinstance(task, Language) else 1)
        taken: dict[str, list[float]] = {"ours": [], "plain": [], "input": []}
        for _ in range(rounds + 1):
            ours.waited_s = 0.0
            taken["ours"].append(_seconds(ours, steps))
            taken["input"].append(ours.waited_s / taken["ours"][-1])
            taken["plain"].append(_seconds(plain, steps))
        for kind in taken:
            del taken[kind][0]  # to warm up
        raw[name] = {**taken, "steps": steps, "per_step": per_step}
        ratio = statistics.median(b / a for a, b in zip(taken["ours"], taken["plain"], strict=True))
        rates = [steps * per_step / statistics.median(taken[kind]) for kind in ("ours", "plain")]
        unit = "characters" if isinstance(task, Language) else "pictures"
        waited = statistics.median(taken["input"])
        rows.append(
            [name, unit, *(f"{rate:,.0f}" for rate in rates), f"{ratio:.2f}", f"{waited:.1%}"]
        )
    head = ["recipe", "unit", "ours a second", "plain loop a second", "ratio", "input"]
    threads = torch.get_num_threads()
    text = report.table(head, rows) + f"\n\ntorch {torch.__version__}, {threads} threads"
    report.write("train", text, {"threads": threads, "recipes": raw})


class _Ours:
    """A step of `training.fit`: the next batch, the task's step, its scores read."""

    def __init__(self, task: Language | Supervised) -> None:
        self._task = task
        self._batches: Iterator[Any] = chain.from_iterable(task.batches(e) for e in repeat(0))
        self.waited_s = 0.0

    def __call__(self) -> None:
        begin = time.perf_counter()
        batch = next(self._batches)
        self.waited_s += time.perf_counter() - begin
        for score in self._task.step(batch).values():
            score.item()


def _plain(task: Language | Supervised, recipe: Recipe) -> Callable[[], None]:
    network = task.build_network().train()
    optimizer = torch.optim.SGD(network.parameters(), 1e-3, momentum=0.9)
    batch = _text(task, recipe) if isinstance(task, Language) else _pictures(task, recipe, network)

    def step() -> None:
        inputs, targets = batch()
        outputs = network(inputs)
        logits = outputs[0].flatten(0, 1) if isinstance(task, Language) else outputs
        optimizer.zero_grad(set_to_none=True)
        functional.cross_entropy(logits, targets).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def _pictures(
    task: Supervised, recipe: Recipe, network: nn.Module
) -> Callable[[], tuple[Tensor, Tensor]]:
    layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
    network.to(memory_format=layout)
    images_NCHW, labels_N = task.data.train.images_NCHW, task.data.train.labels_N

    def batch() -> tuple[Tensor, Tensor]:
        rows = torch.randint(len(images_NCHW), (recipe.batch_size,))
        return (images_NCHW[rows].float() / 255).contiguous(memory_format=layout), labels_N[rows]

    return batch


def _text(task: Language, recipe: Recipe) -> Callable[[], tuple[Tensor, Tensor]]:
    text_N, window = task.data.train_N, task.config.window

    def batch() -> tuple[Tensor, Tensor]:
        starts = torch.randint(len(text_N) - window - 1, (recipe.batch_size,))
        rows_BT = torch.stack([text_N[start : start + window + 1] for start in starts])
        return rows_BT[:, :-1], rows_BT[:, 1:].flatten()

    return batch


def _seconds(step: Callable[[], None], steps: int) -> float:
    begin = time.perf_counter()
    for _ in range(steps):
        step()
    return time.perf_counter() - begin
