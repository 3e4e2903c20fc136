"""Step graphs in memory, which show how they are run and can be held."""

import threading
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models_store.tasks import RecurrentState
from service.runtime.recurrent import RecurrentModel, is_batch_invariant
from tests.waiting import LIMIT_S

LETTERS = "abcdefghijklmnopqrstuvwxyz"
Array = NDArray[np.generic]


class Letters:
    """The letter after the sum of all that were read, modulo 26; the sum is its state.

    A state that is lost, or goes to another text, shows in the next letter.
    """

    states = (RecurrentState(name="sum", next="next_sum", layers=1, width=1),)

    def __init__(self) -> None:
        self.begun = 0
        """Runs that have begun since `hold`, also those that wait until they are allowed."""
        self.shapes: list[tuple[int, int]] = []
        self.failing = False
        self._permits: threading.Semaphore | None = None

    def hold(self) -> None:
        """Make every further run wait until it is allowed."""
        self._permits = threading.Semaphore(0)
        self.begun = 0
        self.shapes.clear()

    def allow(self, runs: int | None = None) -> None:
        """Let `runs` more runs go on; by default all, also those of several threads that wait."""
        permits = self._permits
        assert permits is not None
        if runs is None:
            self._permits = None
        permits.release(runs or 8)

    def run(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        self.begun += 1
        permits = self._permits
        allowed = permits is None or permits.acquire(timeout=LIMIT_S)
        if self.failing or not allowed:
            raise RuntimeError("out of order")
        tokens_BT = np.asarray(inputs["tokens"])
        self.shapes.append((tokens_BT.shape[0], tokens_BT.shape[1]))
        start_B = np.rint(np.asarray(inputs["sum"])[0, :, 0]).astype(np.int64)
        sums_BT = (start_B[:, None] + np.cumsum(tokens_BT, axis=1)) % len(LETTERS)
        points_BT = (sums_BT + 1) % len(LETTERS)
        logits_BTV = 50 * np.eye(len(LETTERS), dtype=np.float32)[points_BT]
        return {
            "logits": logits_BTV,
            "next_sum": sums_BT[None, :, -1:].astype(np.float32),
        }


class Uneven(Letters):
    """Letters whose last bits depend on the number of rows, as some matrix products' do."""

    def run(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        outputs = dict(super().run(inputs))
        rows = np.asarray(inputs["tokens"]).shape[0]
        factor = np.float32(1 + rows * 1e-6)
        outputs["logits"] = np.asarray(outputs["logits"], np.float32) * factor
        return outputs


def recurrent(graph: Letters) -> RecurrentModel:
    return RecurrentModel(
        graph, graph.states, batch_invariant=is_batch_invariant(graph, graph.states, 8)
    )


def expected(prompt: str, length: int) -> str:
    """Return the text that `Letters` generates."""
    total, text = sum(map(LETTERS.index, prompt)), ""
    for _ in range(length):
        text += LETTERS[(total + 1) % 26]
        total += LETTERS.index(text[-1])
    return text
