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
from models_store.verify import read_golden_cases, read_manifest
from tests.fakes.tensor_models import THREE_INPUTS, publish_tensors_model, three_inputs_model

PUBLISHED = Path(__file__).parents[2] / "models_store"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    for name in ("charnn-tiny", "autoencoder-mnist-conv"):
        shutil.copytree(PUBLISHED / name, tmp_path / name)
    return tmp_path


def test_repacking_halves_a_model_and_keeps_its_outputs_and_card(store: Path) -> None:
    (old,) = (int(path.name) for path in (store / "charnn-tiny").iterdir())
    result = repack(store, "charnn-tiny")
    assert result.folder == store / "charnn-tiny" / str(old + 1)
    assert result.bytes_after < 0.65 * result.bytes_before  # with golden cases and preview
    assert 0 < result.change < 0.01

    before = read_manifest(version_dir(store, "charnn-tiny", old))
    after = read_manifest(result.folder)
    assert (after.metrics, after.provenance) == (before.metrics, before.provenance)
    (spec,) = after.graphs("fp32").values()
    properties = {p.key: p.value for p in onnx.load(result.folder / spec.path).metadata_props}
    assert (properties["name"], properties["version"]) == ("charnn-tiny", str(old + 1))
    assert properties["licence"] == after.licence
    run = load_graph_fn(result.folder / spec.path)
    for case in read_golden_cases(result.folder / "golden.npz", spec, after.golden.cases):
        outputs = run(case.inputs)
        for name, expected in case.outputs.items():
            assert np.allclose(outputs[name].astype(float), expected.astype(float), 1e-3, 1e-4)


def test_a_model_that_is_float16_already_is_not_repacked(store: Path) -> None:
    repack(store, "charnn-tiny")
    with pytest.raises(AddError, match=r"no large float32 weights to store as float16"):
        repack(store, "charnn-tiny")


def test_a_model_whose_codes_need_its_exact_weights_is_not_repacked(store: Path) -> None:
    with pytest.raises(AddError, match=r"existing codes need its exact weights"):
        repack(store, "autoencoder-mnist-conv")
    assert [path.name for path in (store / "autoencoder-mnist-conv").iterdir()] == ["1"]


def test_labels_and_truth_values_stay_as_they_are(tmp_path: Path) -> None:
    model = three_inputs_model()
    model.graph.initializer.append(numpy_helper.from_array(np.ones((3, 512), np.float32) / 3, "w"))
    model.graph.node.append(helper.make_node("MatMul", ["numbers", "w"], ["wide"]))
    model.graph.output.append(
        helper.make_tensor_value_info("wide", TensorProto.FLOAT, ["batch", 512])
    )
    publish_tensors_model(tmp_path, "words", model, THREE_INPUTS)
    result = repack(tmp_path, "words")
    assert result.bytes_after < result.bytes_before
    assert 0 < result.change < 0.001


def test_help_names_the_extra_in_its_brackets() -> None:
    assert "deepshelf[import]" in CliRunner().invoke(app, ["repack", "--help"]).output
