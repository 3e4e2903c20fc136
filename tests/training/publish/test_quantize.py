"""int8 variants of published models."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

from models_store.onnx.runtime import load_graph_fn
from models_store.verify import read_manifest
from tests.training.publish.conftest import PublishedRun
from training.errors import ExportError
from training.networks.char_rnn import CharRNN
from training.publish.onnx.rnn_graph import build_rnn_model
from training.publish.quantization.int8_lstm import quantize_lstm
from training.publish.quantization.quantize import quantize_version
from training.publish.quantization.static_qdq import normalize_by_rows


def test_quantized_classifier_is_smaller_and_nearly_as_accurate(
    classifier: PublishedRun, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    shutil.copytree(classifier.store, store)
    done = quantize_version(classifier.manifest.name, store)
    assert done.int8_bytes < done.fp32_bytes
    manifest = read_manifest(done.folder)
    (variant,) = manifest.variants
    assert variant.atol < 0.2
    figures = {m.name: m for m in manifest.metrics if m.precision == "int8"}
    assert figures["agreement"].value > 0.9  # of a network that was hardly trained
    assert figures["accuracy"].n == 500
    operators = {node.op_type for node in onnx.load(done.folder / "model-int8.onnx").graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= operators
    with pytest.raises(ExportError, match="already"):
        quantize_version(classifier.manifest.name, store)


def test_image_is_scaled_by_rows_to_the_same_bits(classifier: PublishedRun, tmp_path: Path) -> None:
    graph = classifier.folder / "model.onnx"
    model = onnx.load(graph)
    normalize_by_rows(model)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, tmp_path / "rows.onnx")
    first = [node.op_type for node in model.graph.node][:7]
    assert first == ["Cast", "Reshape", "Mul", "Add", "Reshape", "Transpose", "Conv"]
    (spec,) = classifier.manifest.graphs().values()
    shape = [size for size in spec.inputs[0].shape if isinstance(size, int)]
    images = np.random.default_rng(0).integers(0, 256, (4, *shape), dtype=np.uint8)
    before, after = (
        load_graph_fn(path)({"images": images})["probabilities"]
        for path in (graph, tmp_path / "rows.onnx")
    )
    np.testing.assert_array_equal(before, after)


def test_other_tasks_are_not_quantized(denoiser: PublishedRun) -> None:
    with pytest.raises(ExportError, match="only classification and text can be quantized"):
        quantize_version(denoiser.manifest.name, denoiser.store)


@pytest.mark.parametrize("layers", [1, 2])
def test_an_lstm_in_int8_is_near_and_its_rows_do_not_depend_on_each_other(
    layers: int, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    config = CharRNN.Config(cell="lstm", layers=layers, hidden=32, embedding=8, vocabulary=12)
    model = build_rnn_model(config.build().eval())
    onnx.save_model(model, tmp_path / "fp32.onnx")
    onnx.save_model(quantize_lstm(model), tmp_path / "int8.onnx")
    fp32, int8 = (load_graph_fn(tmp_path / f"{kind}.onnx") for kind in ("fp32", "int8"))
    random = np.random.default_rng(0)
    inputs: dict[str, NDArray[np.generic]] = {
        "tokens": random.integers(0, 12, (5, 7)),
        **{
            name: (0.3 * random.standard_normal((layers, 5, 32))).astype(np.float32)
            for name in ("hidden", "cell")
        },
    }
    exact, near = fp32(inputs), int8(inputs)
    for name, expected in exact.items():
        assert near[name].shape == expected.shape
        difference = near[name].astype(np.float64) - expected.astype(np.float64)
        assert np.abs(difference).max() < 0.02
    alone = int8(
        {"tokens": inputs["tokens"][2:3], **{k: inputs[k][:, 2:3] for k in ("hidden", "cell")}}
    )
    assert np.array_equal(alone["logits"], near["logits"][2:3])


def test_only_lstms_of_ours_are_made_int8() -> None:
    config = CharRNN.Config(cell="gru", layers=1, hidden=8, embedding=4, vocabulary=5)
    with pytest.raises(ExportError, match="LSTM"):
        quantize_lstm(build_rnn_model(config.build().eval()))
