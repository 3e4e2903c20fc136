"""Sample drawings from a network that predicts pen moves, and draw curves through the points.

The network outputs a mixture of Gaussians over the next move, and probabilities of the pen's state
at its end (Graves 2013, arXiv 1308.0850, sections 4 and 5). Training samples the preview of the
card, the service what clients request; both must get the same drawing.

Shapes: B drawings, T moves, M mixture components, P points.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from models_store.tasks import HandwritingGeneration
from models_store.verify import GraphFn, TensorMap

Array = NDArray[np.float64]


class Pen(IntEnum):
    """State of the pen at the end of a move."""

    DOWN = 0
    """It draws on from here."""
    LIFT = 1
    """The stroke ends; the next move is through the air."""
    END = 2
    """The drawing is finished."""


LIFT, END = float(Pen.LIFT), float(Pen.END)


@dataclass(frozen=True)
class Drawing:
    """A symbol as strokes, each an array of points (P, 2) in a unit square, y up."""

    symbol: str
    strokes: tuple[Array, ...]


@dataclass(frozen=True)
class _Mixture:
    """The parameters of one step's mixture, (B, M), and the pen's probabilities, (B, 3)."""

    weights: Array
    mean_x: Array
    mean_y: Array
    deviation_x: Array
    deviation_y: Array
    correlation: Array
    pens: Array

    @classmethod
    def from_outputs(cls, outputs_BO: Array, components: int, bias: float) -> "_Mixture":
        """Apply equations 18–22, with the bias of 61 and 62: above 0, drawings vary less."""
        weights, x, y, log_deviation_x, log_deviation_y, correlation, pens = np.split(
            outputs_BO, [components * part for part in range(1, 7)], axis=1
        )
        return cls(
            _softmax(weights * (1 + bias)),
            x,
            y,
            np.exp(log_deviation_x - bias),
            np.exp(log_deviation_y - bias),
            np.tanh(correlation),
            # The paper does not bias the pen; an early lift spoils a digit more than anything else.
            _softmax(pens * (1 + bias)),
        )


def sample_drawings(
    run: GraphFn,
    task: HandwritingGeneration,
    text: str,
    *,
    seed: int,
    bias: float,
    check: Callable[[], None] = lambda: None,
) -> list[Drawing]:
    """Return a drawing of every character of `text`; all must be in `task.symbols`.

    All are sampled in one batch, with a run of the graph for each move. A drawing depends on the
    seed, the bias, its symbol and its position. `check` is called before every run.
    """
    randoms = [
        np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, index))))
        for index in range(len(text))
    ]
    symbols = np.array([[task.symbols.index(symbol)] for symbol in text], np.int64)
    state: dict[str, NDArray[np.generic]] = {
        spec.name: np.zeros((spec.layers, len(text), spec.width), np.float32)
        for spec in task.states
    }
    moves_B5 = np.tile(np.array([0, 0, 0, 1, 0], np.float32), (len(text), 1))
    steps: list[NDArray[np.float32]] = []
    for step in range(task.max_moves):
        check()
        inputs: TensorMap = {"moves": moves_B5[:, None], "symbols": symbols, **state}
        outputs = run(inputs)
        state = {spec.name: outputs[spec.next] for spec in task.states}
        mixture = _Mixture.from_outputs(
            outputs["mixture"][:, 0].astype(np.float64), task.components, bias
        )
        moves_B5 = np.stack(
            [_sample_move(mixture, row, random) for row, random in enumerate(randoms)]
        )
        if step + 1 == task.max_moves:
            moves_B5[:, 2:] = (0, 0, 1)
        steps.append(moves_B5)
        if all(any(move[row, 4] for move in steps) for row in range(len(text))):
            break
    moves_BT5 = np.stack(steps, axis=1).astype(np.float64)
    return [
        Drawing(symbol, _split_strokes(moves))
        for symbol, moves in zip(text, moves_BT5, strict=True)
    ]


def _sample_move(mixture: _Mixture, row: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Sample the next move (5,) of one drawing; always takes the same number of random numbers."""
    (component_uniform, pen_uniform), (first, second) = random.random(2), random.standard_normal(2)
    component = _sample_index(mixture.weights[row], component_uniform)
    correlation = mixture.correlation[row, component]
    dx = mixture.mean_x[row, component] + mixture.deviation_x[row, component] * first
    across = correlation * first + np.sqrt(max(0.0, 1 - correlation**2)) * second
    dy = mixture.mean_y[row, component] + mixture.deviation_y[row, component] * across
    move = np.zeros(5, np.float32)
    move[:2] = dx, dy
    move[2 + _sample_index(mixture.pens[row], pen_uniform)] = 1
    return move


def _sample_index(probabilities: Array, uniform: float) -> int:
    edges = np.cumsum(probabilities)
    return min(int(np.searchsorted(edges, uniform * edges[-1], "right")), len(edges) - 1)


def _softmax(logits: Array) -> Array:
    powers: Array = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: Array = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities


def _split_strokes(moves_T5: Array) -> tuple[Array, ...]:
    last = int(moves_T5[:, 2 + Pen.END].argmax())
    points = 0.5 + np.cumsum(moves_T5[: last + 1, :2], axis=0)
    lift_indices = np.flatnonzero(moves_T5[:last, 2 + Pen.LIFT]) + 1
    return tuple(np.split(points, lift_indices))


def bezier_curves(points_P2: Sequence[Sequence[float]] | Array) -> Array:
    """Return a smooth curve through all points as cubic Bézier segments (P - 1, 4, 2).

    A uniform Catmull–Rom spline (1974): at each point, the curve is parallel to the line between
    the point's neighbours. A single point gives one segment of length zero.
    """
    points = np.asarray(points_P2, np.float64)
    if len(points) == 1:
        return np.tile(points, (4, 1))[None]
    previous, following = np.vstack([points[:1], points[:-1]]), np.vstack([points[1:], points[-1:]])
    slopes = (following - previous) / 6
    return np.stack(
        [points[:-1], points[:-1] + slopes[:-1], points[1:] - slopes[1:], points[1:]], axis=1
    )
