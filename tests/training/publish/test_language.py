"""A character RNN, published: the graph against the network, figures, and what it wrote."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from PIL import Image
from torch.nn import functional

from models_store.cli import app as models_app
from models_store.tasks import TextGeneration
from models_store.verify import read_manifest
from tests.command_line import exit_code
from tests.training.tasks.test_language import TEXT
from tests.training.tiny import recipe
from training.engine.trainer import fit, restore
from training.networks.char_rnn import CharRNN
from training.publish.onnx.rnn_graph import STATE_NAMES, StepGraph, build_rnn_model
from training.publish.publisher import publish_run
from training.tasks.language import Language


def _network(cell: str, layers: int, hidden: int = 12) -> CharRNN:
    torch.manual_seed(0)
    settings = {"cell": cell, "layers": layers, "hidden": hidden, "embedding": 5, "vocabulary": 9}
    return CharRNN.Config.model_validate(settings).build().eval()


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_graph_computes_what_the_network_computes_for_any_batch_and_length(
    cell: str, layers: int
) -> None:
    network = _network(cell, layers)
    content = build_rnn_model(network).SerializeToString()
    session = ort.InferenceSession(content, providers=["CPUExecutionProvider"])
    for batch, time in ((1, 1), (1, 9), (4, 1), (7, 5)):
        tokens = torch.randint(9, (batch, time))
        state = [torch.randn(layers, batch, 12) for _ in STATE_NAMES[cell]]
        feeds: dict[str, Any] = {"tokens": tokens.numpy()}
        feeds |= {name: part.numpy() for name, part in zip(STATE_NAMES[cell], state, strict=True)}
        with torch.inference_mode():
            expected = StepGraph(network)(tokens, *state)
        names = ["logits", *(f"next_{name}" for name in STATE_NAMES[cell])]
        for got, expected_output in zip(session.run(names, feeds), expected, strict=True):
            np.testing.assert_allclose(got, expected_output.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("cell", "operator"), [("lstm", "LSTM"), ("gru", "GRU")])
def test_the_graph_is_one_fused_operator_a_layer(cell: str, operator: str) -> None:
    nodes = build_rnn_model(_network(cell, 2)).graph.node
    assert [node.op_type for node in nodes].count(operator) == 2
    assert len(nodes) < 16


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Language, Path]:
    home = tmp_path_factory.mktemp("text")
    task = {**TEXT["task"], "sample": "7 = "}
    small = recipe(**{**TEXT, "name": "small", "task": task, "ema_decay": 0.9, "epochs": 2})
    fit(small, home / "run", show_progress=False)
    folder = publish_run(small, home / "run", home / "store")
    restored = restore(small, home / "run").task
    assert isinstance(restored, Language)
    return restored, folder


def test_it_verifies_without_the_training_side(published: tuple[Language, Path]) -> None:
    assert exit_code(models_app, "--store", str(published[1].parents[1]), "verify") == 0


def test_manifest_describes_states_and_vocabulary(published: tuple[Language, Path]) -> None:
    task = read_manifest(published[1]).task
    assert isinstance(task, TextGeneration)
    assert task.vocabulary == "\n -0123456789=defghilnorstuvwxy"
    assert task.start == "\n"
    assert [(state.name, state.layers, state.width) for state in task.states] == [
        ("hidden", 1, 24), ("cell", 1, 24),
    ]  # fmt: skip


def test_metrics_are_those_of_the_averaged_network_in_one_pass(
    published: tuple[Language, Path],
) -> None:
    task, folder = published
    manifest = read_manifest(folder)
    figures = {metric.name: metric for metric in manifest.metrics}
    text_N = task.splits["validation"]
    with torch.inference_mode():
        logits, _ = task.network_to_publish().eval()(text_N[None, :-1])
    exact = float(functional.cross_entropy(logits[0], text_N[1:]))
    assert figures["nll"].value == pytest.approx(exact, rel=1e-5)
    assert (figures["nll"].n, figures["nll"].unit) == (len(text_N) - 1, "nats/char")
    windows = task.evaluate("validation")["window_loss"]
    assert figures["nll_windows"].value == pytest.approx(windows, rel=1e-4)
    assert manifest.data[0].n == len(task.data.train_N)


def test_the_preview_is_a_page_of_text(published: tuple[Language, Path]) -> None:
    with Image.open(published[1] / "preview.png") as page:
        ink = (np.asarray(page.convert("L")) < 128).mean()
    assert page.width > 600
    assert 0.005 < ink < 0.3
