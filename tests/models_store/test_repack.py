import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

from models_store.cli import app
from models_store.errors import AddError
from models_store.layout import version_dir
from models_store.onnx.runtime import load_graph_fn
from models_store.repack import repack
from models_store.verify import read_manifest
from tests.fakes.tensor_models import THREE_INPUTS, publish_tensors_model, three_inputs_model

PUBLISHED = Path(__file__).parents[2] / "models_store"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Publish a model with strings among its outputs and weights of 1.2 MB, and a codec."""
    weights = np.random.default_rng(0).standard_normal((3, 100_000)).astype(np.float32)
    model = three_inputs_model()
    model.graph.initializer.append(numpy_helper.from_array(weights, "w"))
    model.graph.node.append(helper.make_node("MatMul", ["numbers", "w"], ["wide"]))
    model.graph.node.append(helper.make_node("ReduceL2", ["wide"], ["norm"], axes=[1], keepdims=0))
    model.graph.output.append(helper.make_tensor_value_info("norm", TensorProto.FLOAT, ["batch"]))
    publish_tensors_model(tmp_path, "words", model, THREE_INPUTS)
    shutil.copytree(PUBLISHED / "autoencoder-mnist-conv", tmp_path / "autoencoder-mnist-conv")
    return tmp_path


def test_repacking_halves_a_model_and_keeps_its_outputs_and_card(store: Path) -> None:
    result = repack(store, "words")
    assert result.folder == store / "words" / "2"
    assert result.bytes_after < 0.51 * result.bytes_before
    assert 0 < result.change < 0.01

    before, after = (read_manifest(version_dir(store, "words", number)) for number in (1, 2))
    assert (after.metrics, after.provenance) == (before.metrics, before.provenance)
    (spec,) = after.graphs("fp32").values()
    properties = {p.key: p.value for p in onnx.load(result.folder / spec.path).metadata_props}
    assert (properties["name"], properties["version"]) == ("words", "2")
    assert properties["licence"] == after.licence
    original, repacked = (
        load_graph_fn(store / "words" / number / spec.path)(THREE_INPUTS) for number in "12"
    )
    assert repacked["same"].tolist() == original["same"].tolist() == ["one", "zwölf"]
    assert repacked["norm"] == pytest.approx(original["norm"], rel=1e-3)


def test_a_model_that_is_float16_already_is_not_repacked(store: Path) -> None:
    repack(store, "words")
    with pytest.raises(AddError, match=r"no large float32 weights to store as float16"):
        repack(store, "words")


def test_a_model_whose_codes_need_its_exact_weights_is_not_repacked(store: Path) -> None:
    with pytest.raises(AddError, match=r"existing codes need its exact weights"):
        repack(store, "autoencoder-mnist-conv")
    assert [path.name for path in (store / "autoencoder-mnist-conv").iterdir()] == ["1"]


def test_help_names_the_extra_in_its_brackets() -> None:
    assert "deepshelf[import]" in CliRunner().invoke(app, ["repack", "--help"]).output
