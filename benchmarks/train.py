"""Compare the speed of our training loop with a plain torch loop on the same network.

The plain loop takes random rows of tensors in memory through the network, the loss and torch's own
optimizer: no augmentation, average, clipping, log or checks. What ours takes more is what these
cost. `input` is the share of our step in which the cores wait for the next batch. The same plain
loop, compiled, channels last and in bfloat16, tells what each would bring here.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks import report
from training.config.recipe import Recipe, load_recipe
from training.engine.trainer import prepare
from training.tasks.language import Language
from training.tasks.single_network import ImageTask

_OURS, _PLAIN = "ours", "plain loop"


@dataclass(frozen=True)
class _LoopConfig:
    """Settings of the plain training loop."""

    compiled: bool = False
    channels_last: bool = False
    bfloat16: bool = False
    step_fraction: float = 1.0
    """Fraction of the usual steps to run; bfloat16 is slow on CPUs that emulate it."""


_LOOP_CONFIGS = {
    _PLAIN: _LoopConfig(),
    "plain, compiled": _LoopConfig(compiled=True),
    "plain, channels last": _LoopConfig(channels_last=True),
    "plain, bfloat16": _LoopConfig(bfloat16=True, step_fraction=0.1),
}


def train(*, rounds: int, steps: int, recipes: list[str]) -> None:
    """Measure and write."""
    rows, raw, panels = [], {}, {}
    for name in recipes:
        recipe = load_recipe(name)
        # Its schedule must not end before we do.
        recipe = recipe.model_copy(update={"epochs": max(recipe.epochs, (rounds + 1) * steps)})
        _, task = prepare(recipe)
        if not isinstance(task, Language | ImageTask):
            raise RuntimeError(f"{name}: only recipes on images and texts are measured")  # noqa: TRY004
        per_step = recipe.batch_size * (task.config.window if isinstance(task, Language) else 1)
        rates, waited = _measure_rates(task, recipe, rounds, steps, per_step)
        unit = "characters" if isinstance(task, Language) else "images"
        for loop_name, loop_rates in rates.items():
            pairs = zip(loop_rates, rates[_PLAIN], strict=True)
            ratio = statistics.median(rate / plain_rate for rate, plain_rate in pairs)
            share = f"{statistics.median(waited):.1%}" if loop_name == _OURS else ""
            rows.append(
                [name, loop_name, f"{statistics.median(loop_rates):,.0f}", f"{ratio:.2f}", share]
            )
        raw[name] = {"rates": rates, "input": waited, "steps": steps, "per_step": per_step}
        panels[f"{name}, {unit} a second"] = {
            "deepshelf" if loop_name == _OURS else loop_name: statistics.median(loop_rates)
            for loop_name, loop_rates in rates.items()
        }
    head = ["recipe", "loop", "images or characters per second", "to the plain loop", "input"]
    threads = torch.get_num_threads()
    text = report.format_table(head, rows) + f"\n\ntorch {torch.__version__}, {threads} threads"
    report.write_report("train", text, {"threads": threads, "recipes": raw})
    report.draw_bars("train", panels, "a second (median of rounds)")


def _measure_rates(
    task: Language | ImageTask, recipe: Recipe, rounds: int, steps: int, per_step: int
) -> tuple[dict[str, list[float]], list[float]]:
    """Return seconds per loop and round, and the share of our loop spent waiting for batches."""
    trainer_loop = _TrainerLoop(task)
    loops: dict[str, tuple[Callable[[], None], int]] = {_OURS: (trainer_loop, steps)}
    for name, loop_config in _LOOP_CONFIGS.items():
        # oneDNN has no LSTM in bfloat16 for a processor that does not multiply it.
        if isinstance(task, Language) and (loop_config.channels_last or loop_config.bfloat16):
            continue
        loops[name] = (
            _plain_loop(task, recipe, loop_config),
            max(1, round(loop_config.step_fraction * steps)),
        )
    rates: dict[str, list[float]] = {name: [] for name in loops}
    waited = []
    for number in range(rounds + 1):
        trainer_loop.waited_s = 0.0
        for name, (loop, count) in loops.items():
            taken_s = _time_steps(loop, count if number else min(count, 3))
            if number:  # the first is to warm up
                rates[name].append(count * per_step / taken_s)
                if name == _OURS:
                    waited.append(trainer_loop.waited_s / taken_s)
    return rates, waited


class _TrainerLoop:
    """A step of `training.engine.trainer`: the next batch, the task's step, its scores read."""

    def __init__(self, task: Language | ImageTask) -> None:
        self._task = task
        self._batches: Iterator[Any] = chain.from_iterable(task.batches(e) for e in repeat(0))
        self.waited_s = 0.0

    def __call__(self) -> None:
        begin = time.perf_counter()
        batch = next(self._batches)
        self.waited_s += time.perf_counter() - begin
        for score in self._task.step(batch).values():
            score.item()


def _plain_loop(
    task: Language | ImageTask, recipe: Recipe, loop_config: _LoopConfig
) -> Callable[[], None]:
    network = task.build_network().train()
    layout = torch.channels_last if loop_config.channels_last else torch.contiguous_format
    network.to(memory_format=layout)
    optimizer = torch.optim.SGD(network.parameters(), 1e-3, momentum=0.9)
    batch = (
        _text_batches(task, recipe)
        if isinstance(task, Language)
        else _image_batches(task, recipe, layout)
    )
    run: Callable[[Tensor], Any] = torch.compile(network) if loop_config.compiled else network

    def step() -> None:
        inputs, targets = batch()
        with torch.autocast("cpu", torch.bfloat16, enabled=loop_config.bfloat16):
            outputs = run(inputs)
            logits = outputs[0].flatten(0, 1) if isinstance(task, Language) else outputs
            loss = functional.cross_entropy(logits, targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def _image_batches(
    task: ImageTask, recipe: Recipe, layout: torch.memory_format
) -> Callable[[], tuple[Tensor, Tensor]]:
    images_NCHW, labels_N = task.data.train.images_NCHW, task.data.train.labels_N

    def batch() -> tuple[Tensor, Tensor]:
        rows = torch.randint(len(images_NCHW), (recipe.batch_size,))
        return (images_NCHW[rows].float() / 255).contiguous(memory_format=layout), labels_N[rows]

    return batch


def _text_batches(task: Language, recipe: Recipe) -> Callable[[], tuple[Tensor, Tensor]]:
    text_N, window = task.data.train_N, task.config.window

    def batch() -> tuple[Tensor, Tensor]:
        starts = torch.randint(len(text_N) - window - 1, (recipe.batch_size,))
        rows_BT = torch.stack([text_N[start : start + window + 1] for start in starts])
        return rows_BT[:, :-1], rows_BT[:, 1:].flatten()

    return batch


def _time_steps(step: Callable[[], None], steps: int) -> float:
    begin = time.perf_counter()
    for _ in range(steps):
        step()
    return time.perf_counter() - begin
