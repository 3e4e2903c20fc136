"""Publish a handwriting network as a step graph with explicit state.

Shapes: B batch, T time, L layers, H hidden, M components.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier
from torch import Generator, Tensor

from models_store.manifest import Metric
from models_store.sampling.handwriting import Drawing, sample_drawings
from models_store.tasks import HandwritingGeneration as ServedHandwriting
from models_store.verify import GraphFn
from training.config.recipe import Recipe
from training.datasets.strokes import StrokeSplit, encode_moves, resample_path
from training.errors import ExportError
from training.networks.handwriting import Handwriting as Network
from training.networks.handwriting import mixture_nll
from training.plots.strokes import draw_digits
from training.publish.onnx.rnn_graph import (
    StepGraph,
    as_array,
    build_step_model,
    random_states,
    recurrent_states,
    zero_states,
)
from training.publish.spec import ExportSpec, GraphSpec, export_spec
from training.tasks.handwriting import Handwriting, shift_right

_DRAWINGS_PER_SYMBOL = 100
"""Number of generated drawings of each symbol that legibility is measured on."""
_PATH_POINTS, _NEIGHBOURS = 8, 3
_Points = NDArray[np.float64]


def build_handwriting_model(network: Network) -> onnx.ModelProto:
    """Build a graph from `moves` (B, T, 5), `symbols` (B, T) and state to `mixture` and state."""
    scale, shift = network.output_scale()
    return build_step_model(
        network.recurrence.rnn,
        inputs="float[batch, time, 5] moves, int64[batch, time] symbols",
        output=f"float[batch, time, {len(network.head.bias)}] mixture",
        before="""
            scaled_BT5 = Mul (moves, input_scale)
            embedded_BTE = Gather (embedding, symbols)
            x_BTI = Concat <axis = -1> (scaled_BT5, embedded_BTE)""",
        after="""
            scores = MatMul (h_BTH, head_weight)
            mixture = Add (scores, head_bias)""",
        constants={
            "embedding": as_array(network.embedding.weight),
            "input_scale": as_array(network.input_scale()),
            # The last layer includes the scaling of its outputs to the box's units.
            "head_weight": as_array(network.head.weight.T * scale),
            "head_bias": as_array(network.head.bias * scale + shift),
        },
    )


@export_spec.register
def handwriting_spec(task: Handwriting, recipe: Recipe) -> ExportSpec:
    """Describe the step graph, nats per move, legibility, and generated digits as the preview."""
    network = task.network_to_publish().cpu()
    if not isinstance(network, Network):
        raise ExportError(f"{type(network).__name__} has no step graph")
    data = task.data
    served = ServedHandwriting(
        symbols="".join(data.labels),
        components=network.config.components,
        max_moves=2 * int(data.train.lengths_N.max()),
        aspect=data.aspect,
        states=recurrent_states(network.recurrence.rnn),
    )
    graph = GraphSpec(
        role="step",
        module=StepGraph(network, inputs=2),
        outputs=("mixture", *(state.next for state in served.states)),
        cases=tuple(_cases(served)),
        build_onnx=partial(build_handwriting_model, network),
    )
    return ExportSpec(
        task=served,
        graphs=(graph,),
        data=(data.to_data_source(),),
        report=lambda runs, preview: _report(runs["step"], served, task, recipe.name, preview),
    )


def _cases(served: ServedHandwriting) -> Iterator[dict[str, Tensor]]:
    """Yield a few partial drawings, and the first move of one."""
    random = Generator().manual_seed(0)
    for batch, time, scale in ((3, 4, 0.3), (1, 1, 0.0)):
        steps_BT2 = 0.4 * torch.randn((batch, time, 2), generator=random)
        pens_BT1 = torch.randint(2, (batch, time, 1), generator=random).float()
        yield {
            "moves": encode_moves(torch.cat([steps_BT2, pens_BT1], -1)),
            "symbols": torch.randint(len(served.symbols), (batch, time), generator=random),
            **random_states(served.states, batch, scale, random),
        }


def _report(
    run: GraphFn, served: ServedHandwriting, task: Handwriting, name: str, preview: Path
) -> tuple[Metric, ...]:
    data, bias = task.data, task.config.bias
    draw = partial(sample_drawings, run, served)
    drawings = draw(served.symbols * _DRAWINGS_PER_SYMBOL, seed=0, bias=bias)
    legible_share, test_legible_share = measure_legibility(
        drawings, data.train, data.test, data.labels
    )
    rows = [
        (f"bias {strength:g}", draw(served.symbols * 2, seed=1, bias=strength))
        for strength in (0.0, bias, 3.0)
    ]
    draw_digits(rows, served.aspect, f"{data.title}: drawn by {name}", preview)
    metric = partial(Metric, dataset=data.title, split="test")
    method_note = f"classified correctly by {_NEIGHBOURS} nearest neighbours"
    return (
        metric(
            name="nll",
            value=_nats_per_move(run, served, data.test),
            unit="nats/move",
            n=int(data.test.lengths_N.sum()),
            note="density over the box, the position and the pen",
        ),
        metric(
            name="legibility",
            value=legible_share,
            n=len(drawings),
            note=f"share of drawings, seed 0, bias {bias:g}, {method_note} among the training "
            "digits",
        ),
        metric(
            name="legibility_real",
            value=test_legible_share,
            n=len(data.test),
            note=f"the same for the test digits, {method_note}",
        ),
    )


def _nats_per_move(run: GraphFn, served: ServedHandwriting, split: StrokeSplit) -> float:
    moves_NT5 = encode_moves(split.moves_NT3)
    outputs = run(
        {
            "moves": shift_right(moves_NT5).numpy(),
            "symbols": split.labels_N[:, None].expand(moves_NT5.shape[:2]).numpy(),
            **zero_states(served.states, len(split)),
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


def _paths(split: StrokeSplit) -> list[_Points]:
    moves = split.moves_NT3[..., :2].double().cumsum(1).numpy()
    return [path[:length] for path, length in zip(moves, split.lengths_N.tolist(), strict=True)]


def _features(paths: Sequence[_Points]) -> _Points:
    rows = []
    for path in paths:
        points = path if len(path) == _PATH_POINTS else resample_path(path, _PATH_POINTS)
        low, size = points.min(0), np.ptp(points, axis=0)
        rows.append(((points - low) / np.maximum(size, 1e-9)).ravel())
    return np.stack(rows)
