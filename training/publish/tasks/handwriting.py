"""Publish a handwriting network as a step graph with explicit state.

Shapes: B batch, T time, L layers, H hidden, M components.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto
from sklearn.neighbors import KNeighborsClassifier
from torch import Generator, Tensor

from models_store.manifest import Metric
from models_store.sampling.handwriting import Drawing, sample_drawings
from models_store.tasks import HandwritingGeneration as ServedHandwriting
from models_store.tasks import RecurrentState
from models_store.verify import GraphFn
from training.config.recipe import Recipe
from training.datasets.strokes import StrokeSplit, encode_moves
from training.errors import ExportError
from training.networks.handwriting import Handwriting as Network
from training.networks.handwriting import mixture_nll
from training.plots.handwriting import draw_digits
from training.publish.onnx.rnn_graph import STATE_NAMES, StepGraphBuilder, as_array
from training.publish.spec import ExportSpec, GraphSpec
from training.publish.tasks.registry import export_spec
from training.tasks.handwriting import Handwriting, shift_right

_DRAWINGS_PER_SYMBOL = 100
"""Number of generated drawings of each symbol that legibility is measured on."""
_PATH_POINTS, _NEIGHBOURS = 8, 3


class HandwritingGraph(torch.nn.Module):
    """The network with each state tensor as a separate input and output."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, moves_BT5: Tensor, symbols_BT: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        mixture_BTO, after = self.network(moves_BT5, symbols_BT, state)
        return (mixture_BTO, *after)


def build_handwriting_model(network: Network) -> onnx.ModelProto:
    """Build a graph from `moves` (B, T, 5), `symbols` (B, T) and state to `mixture` and state."""
    builder, rnn = StepGraphBuilder(), network.recurrence.rnn
    scale, shift = network.output_scale()
    builder.add_constant("embedding", as_array(network.embedding.weight))
    builder.add_constant("input_scale", as_array(network.input_scale()))
    # The last layer includes the scaling of its outputs to the box's units.
    builder.add_constant(
        "head_weight", np.ascontiguousarray(as_array(network.head.weight).T * scale.numpy())
    )
    builder.add_constant("head_bias", as_array(network.head.bias * scale + shift))

    builder.add_node("Mul", ["moves", "input_scale"], ["scaled_BT5"])
    builder.add_node("Gather", ["embedding", "symbols"], ["embedded_BTE"])
    builder.add_node("Concat", ["scaled_BT5", "embedded_BTE"], ["x_BTI"], axis=-1)
    builder.add_rnn(rnn, "x_BTI", "h_BTH")
    builder.add_node("MatMul", ["h_BTH", "head_weight"], ["scores"])
    builder.add_node("Add", ["scores", "head_bias"], ["mixture"])
    return builder.build(
        rnn,
        inputs={
            "moves": (TensorProto.FLOAT, ["batch", "time", 5]),
            "symbols": (TensorProto.INT64, ["batch", "time"]),
        },
        outputs={"mixture": (TensorProto.FLOAT, ["batch", "time", len(network.head.bias)])},
    )


@export_spec.register
def handwriting_spec(task: Handwriting, recipe: Recipe) -> ExportSpec:
    """Describe the step graph, nats per move, legibility, and generated digits as the preview."""
    network = task.network_to_publish().cpu()
    if not isinstance(network, Network):
        raise ExportError(f"{type(network).__name__} has no step graph")
    config, data = network.config, task.data
    states = STATE_NAMES[config.cell]
    generation_task = ServedHandwriting(
        symbols="".join(data.labels),
        components=config.components,
        max_moves=2 * int(data.train.lengths_N.max()),
        aspect=data.aspect,
        states=tuple(
            RecurrentState(
                name=name, next=f"next_{name}", layers=config.layers, width=config.hidden
            )
            for name in states
        ),
    )
    dynamic = {0: "batch", 1: "time"}
    graph = GraphSpec(
        role="step",
        module=HandwritingGraph(network),
        inputs=("moves", "symbols", *states),
        outputs=("mixture", *(f"next_{name}" for name in states)),
        dynamic_axes={
            "moves": dynamic,
            "symbols": dynamic,
            **{name: {1: "batch"} for name in states},
        },
        cases=tuple(_cases(config, states, len(data.labels))),
        build_onnx=partial(build_handwriting_model, network),
    )
    return ExportSpec(
        task=generation_task,
        graphs=(graph,),
        data=(data.to_data_source(),),
        report=lambda runs, preview: _report(
            runs["step"], generation_task, task, recipe.name, preview
        ),
        rtol=1e-3,
        atol=1e-4,
    )


def _cases(
    config: Network.Config, states: tuple[str, ...], symbols: int
) -> Iterator[dict[str, Tensor]]:
    """Yield a few partial drawings, and the first move of one."""
    random = Generator().manual_seed(0)
    for batch, time, scale in ((3, 4, 0.3), (1, 1, 0.0)):
        moves = torch.cat(
            [
                0.4 * torch.randn((batch, time, 2), generator=random),
                torch.randint(2, (batch, time, 1), generator=random).float(),
            ],
            -1,
        )
        shape = (config.layers, batch, config.hidden)
        yield {
            "moves": encode_moves(moves),
            "symbols": torch.randint(symbols, (batch, time), generator=random),
            **{name: scale * torch.randn(shape, generator=random) for name in states},
        }


def _report(
    run: GraphFn, generation_task: ServedHandwriting, task: Handwriting, name: str, preview: Path
) -> tuple[Metric, ...]:
    data, bias = task.data, task.config.bias
    drawings = sample_drawings(
        run, generation_task, generation_task.symbols * _DRAWINGS_PER_SYMBOL, seed=0, bias=bias
    )
    legible_share, test_legible_share = measure_legibility(
        drawings, data.train, data.test, data.labels
    )
    rows = [
        (
            f"bias {strength:g}",
            sample_drawings(
                run, generation_task, generation_task.symbols * 2, seed=1, bias=strength
            ),
        )
        for strength in (0.0, bias, 3.0)
    ]
    draw_digits(rows, generation_task.aspect, f"{data.title}: drawn by {name}", preview)
    nats = _nats_per_move(run, generation_task, data.test)

    def metric(name: str, value: float, n: int, note: str, unit: str = "") -> Metric:
        return Metric(
            name=name, value=value, unit=unit, dataset=data.title, split="test", n=n, note=note
        )

    moves, method_note = (
        int(data.test.lengths_N.sum()),
        f"classified correctly by {_NEIGHBOURS} nearest neighbours",
    )
    return (
        metric("nll", nats, moves, "density over the box, the position and the pen", "nats/move"),
        metric(
            "legibility",
            legible_share,
            len(drawings),
            f"share of drawings, seed 0, bias {bias:g}, {method_note} among the training digits",
        ),
        metric(
            "legibility_real",
            test_legible_share,
            len(data.test),
            f"the same for the test digits, {method_note}",
        ),
    )


def _nats_per_move(run: GraphFn, generation_task: ServedHandwriting, split: StrokeSplit) -> float:
    moves_NT5 = encode_moves(split.moves_NT3)
    states = {
        s.name: np.zeros((s.layers, len(split), s.width), np.float32)
        for s in generation_task.states
    }
    outputs = run(
        {
            "moves": shift_right(moves_NT5).numpy(),
            "symbols": split.labels_N[:, None].expand(moves_NT5.shape[:2]).numpy(),
            **states,
        }
    )
    position, pen = mixture_nll(torch.from_numpy(np.asarray(outputs["mixture"])), moves_NT5)
    return float((position + pen)[split.mask_NT].double().mean())


def measure_legibility(
    drawings: list[Drawing], train: StrokeSplit, test: StrokeSplit, labels: tuple[str, ...]
) -> tuple[float, float]:
    """Return the shares of `drawings` and of the test set that nearest neighbours classify right.

    The features are 8 points at equal distances along the path, stretched to a square, as in
    Alimoglu and Alpaydin (1996). Drawings of 8 points keep them.
    """
    classifier = KNeighborsClassifier(_NEIGHBOURS)
    classifier.fit(_features(_paths(train)), train.labels_N.numpy())
    features = _features([np.concatenate(drawing.strokes) for drawing in drawings])
    expected = np.array([labels.index(drawing.symbol) for drawing in drawings])
    correct = classifier.predict(features) == expected
    test_correct = classifier.predict(_features(_paths(test))) == test.labels_N.numpy()
    return float(correct.mean()), float(test_correct.mean())


def _paths(split: StrokeSplit) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    moves = split.moves_NT3[..., :2].double().cumsum(1).numpy()
    return [path[:length] for path, length in zip(moves, split.lengths_N.tolist(), strict=True)]


def _features(
    paths: list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    rows = []
    for path in paths:
        if len(path) == _PATH_POINTS:
            rows.append(_stretch_to_square(path))
            continue
        lengths = np.concatenate([[0], np.hypot(*np.diff(path, axis=0).T).cumsum()])
        distances = np.linspace(0, lengths[-1], _PATH_POINTS)
        rows.append(
            _stretch_to_square(
                np.stack([np.interp(distances, lengths, axis) for axis in path.T], 1)
            )
        )
    return np.stack(rows)


def _stretch_to_square(
    points: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    low, size = points.min(0), np.ptp(points, axis=0)
    return np.asarray((points - low) / np.maximum(size, 1e-9)).ravel()
