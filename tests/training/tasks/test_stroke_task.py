"""Reading and drawing pen strokes: likelihoods against torch's, and networks that learn."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from models_store.onnx.runtime import load_graph_fn
from models_store.sampling.handwriting import sample_drawings
from models_store.tasks import HandwritingGeneration as ServedHandwriting
from models_store.verify import read_manifest
from tests.training.tiny import recipe
from training.engine.trainer import fit, prepare
from training.errors import ExportError, RecipeError
from training.networks.handwriting import mixture_nll
from training.plots.strokes import draw_run_examples
from training.publish.publisher import publish_run
from training.publish.tasks import export_spec
from training.tasks.strokes import augment_strokes

READER: dict[str, Any] = {
    "data": {"kind": "stroke-digits", "train_size": 600, "test_size": 200},
    "network": {"kind": "stroke-reader", "hidden": 32},
    "initializer": {"kind": "glorot"},
    "task": {"kind": "strokes", "distortion": 0.05},
    "optimizer": {"kind": "adamw", "lr": 0.02},
    "schedule": {"kind": "one_cycle"},
    "epochs": 10,
    "batch_size": 50,
    "evaluate_every": 10,
    "clip_norm": 1.0,
}
WRITER: dict[str, Any] = {
    **READER,
    "data": {"kind": "stroke-digits", "train_size": 200, "test_size": 50},
    "network": {"kind": "handwriting", "hidden": 24, "components": 3},
    "task": {"kind": "handwriting", "noise": 0.01},
    "epochs": 3,
}


def test_nats_are_those_of_torchs_own_mixture() -> None:
    torch.manual_seed(0)
    mixture, moves = torch.randn(2, 3, 6 * 4 + 3), torch.randn(2, 3, 5)
    moves[..., 2:] = torch.eye(3)[torch.randint(3, (2, 3))]
    weights, x, y, wide, high, rho = torch.split(mixture[..., :-3], 4, -1)
    deviations = torch.stack([wide.exp(), high.exp()], -1)
    covariance = deviations[..., :, None] * deviations[..., None, :]
    covariance[..., 0, 1] *= rho.tanh()
    covariance[..., 1, 0] *= rho.tanh()
    normal = MultivariateNormal(torch.stack([x, y], -1), covariance)
    mixed: Any = MixtureSameFamily(Categorical(logits=weights), normal)
    expected = -mixed.log_prob(moves[..., :2])
    position, pen = mixture_nll(mixture, moves)
    torch.testing.assert_close(position, expected, rtol=1e-4, atol=1e-4)
    pens: Any = Categorical(logits=mixture[..., -3:])
    torch.testing.assert_close(pen, -pens.log_prob(moves[..., 2:].argmax(-1)))


def test_a_correlation_of_one_and_a_narrow_gaussian_stay_finite() -> None:
    mixture = torch.tensor([[[0.0, 0, 0, -99, -99, 40, 0, 0, 0]]], requires_grad=True)
    position, _ = mixture_nll(mixture, torch.tensor([[[0.0, 0, 1, 0, 0]]]))
    torch.autograd.backward(position.sum())
    assert position.isfinite().all()
    assert mixture.grad is not None
    assert mixture.grad.isfinite().all()


def test_variation_moves_points_and_not_the_pen() -> None:
    task = prepare(recipe(**READER), accelerator="cpu")[1]
    batch = next(iter(task.batches(0)))
    first = augment_strokes(batch, 0.0, 0.0, torch.Generator())
    assert torch.equal(first.moves_NT3, batch.moves_NT3)
    moved = augment_strokes(batch, 0.01, 0.0, torch.Generator().manual_seed(0))
    assert torch.equal(moved.moves_NT3[..., 2], batch.moves_NT3[..., 2])
    shift = (moved.moves_NT3 - batch.moves_NT3)[..., :2].cumsum(1).abs().max()
    assert 0.005 < float(shift) <= 0.0101


def test_a_reader_learns_and_is_drawn(tmp_path: Path) -> None:
    fitted = fit(recipe(**READER), tmp_path / "run", show_progress=False)
    assert fitted.log[-1]["test_accuracy"] > 0.8
    summary = draw_run_examples(tmp_path / "run", tmp_path / "strokes.png")
    assert summary.startswith("Synthetic stroke digits, test: ")
    with Image.open(tmp_path / "strokes.png") as image:
        assert image.width > 900
        assert np.asarray(image.convert("L")).std() > 20
    with pytest.raises(ExportError, match="the task strokes cannot be published"):
        export_spec(fitted.task, recipe(**READER))


def test_lifts_that_were_guessed_from_the_answer_are_rejected(
    data_home: Path,
) -> None:
    (data_home / "strokes").mkdir()
    for name in ("tra", "tes"):
        row = "47,100,27,81,57,37,26,0,0,23,56,53,100,90,40,98,8\n"
        (data_home / "strokes" / f"pendigits.{name}").write_text(2 * row)
    with pytest.raises(RecipeError, match=r"set data\.pen_lifts to false"):
        prepare(recipe(**{**READER, "data": {"kind": "pendigits"}}), accelerator="cpu")


@pytest.mark.parametrize("field", ["data", "network", "task"])
def test_strokes_belong_together(field: str) -> None:
    with pytest.raises(ValueError, match="belong together"):
        recipe(**{field: READER[field]})
    if field != "data":
        with pytest.raises(ValueError, match="belong together"):
            recipe(**{**READER, field: WRITER[field]})


@pytest.mark.parametrize(("cell", "layers"), [("lstm", 1), ("gru", 2)])
def test_a_writer_learns_is_published_and_draws(tmp_path: Path, cell: str, layers: int) -> None:
    network = {**WRITER["network"], "cell": cell, "layers": layers}
    tiny = recipe(**{**WRITER, "network": network})
    fitted = fit(tiny, tmp_path / "run", show_progress=False)
    assert fitted.log[-1]["train_loss"] < fitted.log[0]["train_loss"] - 0.5
    folder = publish_run(tiny, tmp_path / "run", tmp_path / "store")  # replays torch's own outputs
    manifest = read_manifest(folder)
    figures = {metric.name: metric.value for metric in manifest.metrics}
    assert figures["nll"] == pytest.approx(fitted.task.evaluate("test")["loss"], abs=1e-3)
    assert figures["legibility_real"] > 0.8
    task = manifest.task
    assert isinstance(task, ServedHandwriting)
    drawings = sample_drawings(
        load_graph_fn(folder / "step.onnx"), task, "0123456789", seed=0, bias=1.0
    )
    assert [drawing.symbol for drawing in drawings] == list("0123456789")
    assert all(len(stroke) for drawing in drawings for stroke in drawing.strokes)
