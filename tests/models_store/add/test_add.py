"""`models add`: graphs that were made elsewhere become models of the contract, or say why not."""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.datasets import get_example

from models_store.cli import app
from models_store.layout import list_model_names
from models_store.manifest import Manifest
from models_store.onnx.runtime import load_graph_fn
from models_store.verify import read_golden_cases, read_manifest
from tests.command_line import exit_code
from tests.fakes.tensor_models import THREE_INPUTS, make_model, three_inputs_model

Add = Callable[..., tuple[int, str, str]]
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
EYE = np.eye(8, dtype=np.float32)


@pytest.fixture
def add(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Add:
    """Return a function that adds a model or file as `mine`: exit code, stdout and stderr."""

    def add(model: onnx.ModelProto | bytes | Path, *options: str) -> tuple[int, str, str]:
        path = model if isinstance(model, Path) else tmp_path / "net.onnx"
        if not isinstance(model, Path):
            path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
        arguments = ("--store", str(tmp_path / "store"), "add", str(path), "--name", "mine")
        return exit_code(app, *arguments, *options), *capsys.readouterr()

    return add


def published(tmp_path: Path) -> tuple[Path, Manifest]:
    folder = tmp_path / "store" / "mine" / "1"
    return folder, read_manifest(folder)


def tensors(specs: Sequence[Any]) -> dict[str, tuple[str, list[int | str]]]:
    return {spec.name: (spec.dtype, list(spec.shape)) for spec in specs}


def test_classifier_of_scikit_learn_gets_a_batch_axis_and_its_maps_become_columns(
    add: Add, tmp_path: Path
) -> None:
    path = Path(get_example("logreg_iris.onnx"))  # fixed batch of 3, ZipMap, IR version 3
    code, out, err = add(path)
    assert (code, err) == (0, "")
    assert "columns     probabilities: 0, 1, 2\n" in out
    assert "published   mine 1 (tensors)\n" in out
    folder, manifest = published(tmp_path)
    graph = manifest.graphs()["model"]
    assert tensors(graph.inputs) == {"float_input": ("float32", ["batch", 2])}
    assert tensors(graph.outputs) == {
        "label": ("int64", ["batch"]),
        "probabilities": ("float32", ["batch", 3]),
    }
    assert graph.is_batchable
    assert "model.onnx" in manifest.batching
    rows = np.array([[5.1, 3.5], [7.0, 3.2], [6.3, 2.5]], np.float32)
    label, maps = onnxruntime.InferenceSession(path.read_bytes()).run(None, {"float_input": rows})
    run = load_graph_fn(folder / "model.onnx")
    assert run({"float_input": rows})["label"].tolist() == label.tolist()
    for row, expected in zip(rows, maps, strict=True):
        outputs = run({"float_input": row[None]})
        assert outputs["probabilities"][0] == pytest.approx(list(expected.values()), abs=1e-6)


def test_sample_becomes_the_golden_case(add: Add, tmp_path: Path) -> None:
    np.savez(tmp_path / "inputs.npz", **THREE_INPUTS)  # type: ignore[arg-type]
    code, _, err = add(three_inputs_model(), "--sample", str(tmp_path / "inputs.npz"))
    assert (code, err) == (0, "")
    folder, manifest = published(tmp_path)
    graph = manifest.graphs()["model"]
    assert tensors(graph.outputs) == {
        "sums": ("float32", ["batch"]),
        "same": ("string", ["batch"]),
        "inverted": ("bool", ["batch", "length"]),
    }
    case = next(iter(read_golden_cases(folder / "golden.npz", graph, 1)))
    assert case.inputs["words"].tolist() == ["one", "zwölf"]
    assert case.outputs["sums"].tolist() == [6.0, 15.0]


def one_op(
    operator: str,
    dtype: int = FLOAT,
    shape: Sequence[int | str] = ("n", 4),
    *,
    weights: Sequence[onnx.TensorProto] = (),
    to: int | None = None,
    **attributes: Any,
) -> onnx.ModelProto:
    inputs = ["x", *(tensor.name for tensor in weights)]
    node = helper.make_node(operator, inputs, ["y"], **attributes)
    shapes = {"x": (dtype, shape)}
    return make_model([node], shapes, {"y": (to or dtype, shape)}, weights)


def reshape(*target: int) -> list[onnx.TensorProto]:
    return [numpy_helper.from_array(np.array(target, np.int64), "target")]


@pytest.mark.parametrize(
    ("model", "inputs", "outputs"),
    [
        (one_op("Relu", shape=[1, 4]), ["batch", 4], ["batch", 4]),
        (one_op("Relu", shape=["?", 4]), ["batch", 4], ["batch", 4]),
        (one_op("Relu", TensorProto.FLOAT16), ["batch", 4], ["batch", 4]),
        # Declared free, but fixed by the weights.
        (
            one_op("MatMul", shape=["n", "s"], weights=[numpy_helper.from_array(EYE, "w")]),
            ["batch", 8],
            ["batch", 8],
        ),
        # A shape inside the graph keeps the batch at 1.
        (one_op("Reshape", shape=[1, 4], weights=reshape(1, 4)), [1, 4], [1, 4]),
        # Rows that influence each other are no batch.
        (one_op("Softmax", axis=0), ["n", 4], ["y_0", 4]),
        (one_op("Abs", INT64, []), [], []),
    ],
    ids=["fixed", "unnamed", "float16", "falsely-free", "fixed-inside", "dependent", "scalar"],
)
def test_batch_axis_is_free_where_a_run_proves_it(
    add: Add, tmp_path: Path, model: onnx.ModelProto, inputs: list[Any], outputs: list[Any]
) -> None:
    code, _, err = add(model)
    assert (code, err) == (0, "")
    graph = published(tmp_path)[1].graphs()["model"]
    assert [list(graph.inputs[0].shape), list(graph.outputs[0].shape)] == [inputs, outputs]
    assert graph.is_batchable == (inputs[:1] == ["batch"])


def test_external_data_is_taken_in(add: Add, tmp_path: Path) -> None:
    weights = numpy_helper.from_array(np.ones(2000, np.float32), "w")
    model = one_op("Add", shape=["n", 2000], weights=[weights])
    path = tmp_path / "apart.onnx"
    onnx.save_model(model, path, save_as_external_data=True, location="apart.data")
    (tmp_path / "elsewhere").mkdir()
    alone = tmp_path / "elsewhere" / "apart.onnx"
    alone.write_bytes(path.read_bytes())
    assert "keeps weights in apart.data, which is not beside it" in add(alone)[2]
    assert add(path)[0] == 0
    folder, manifest = published(tmp_path)
    assert manifest.parameters == 2000
    assert load_graph_fn(folder / "model.onnx")({"x": np.zeros((1, 2000), np.float32)})["y"].all()


def endless() -> onnx.ModelProto:
    """Return a loop of 2^62 additions."""
    scalar: Mapping[str, tuple[int, Sequence[int | str]]] = {"value": (FLOAT, [])}
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Add", ["value", "value"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", FLOAT, []),
        ],
    )
    rounds = numpy_helper.from_array(np.array(2**62, np.int64), "rounds")
    loop = helper.make_node("Loop", ["rounds", "", "x"], ["y"], body=body)
    return make_model([loop], {"x": scalar["value"]}, {"y": scalar["value"]}, [rounds])


def custom() -> onnx.ModelProto:
    model = one_op("Divine", domain="org.x")
    model.opset_import.append(helper.make_opsetid("org.x", 1))
    return model


def sum_of(count: int, name: str = "x") -> onnx.ModelProto:
    value: tuple[int, list[int | str]] = (TensorProto.FLOAT, ["batch", 2])
    names = [f"{name}{index}" for index in range(count)]
    return make_model(
        [helper.make_node("Sum", names, ["y"])], dict.fromkeys(names, value), {"y": value}
    )


def sequence() -> onnx.ModelProto:
    model = one_op("SequenceConstruct")
    model.graph.output[0].CopyFrom(
        helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, None)
    )
    return model


def external(**info: str) -> onnx.ModelProto:
    """Return a graph whose weights are declared to lie in the file itself, as `info` says."""
    weights = TensorProto(name="w", data_type=FLOAT, dims=[4])
    weights.data_location = TensorProto.EXTERNAL
    for key, value in info.items():
        weights.external_data.add(key=key, value=value)
    return one_op("Add", weights=[weights])


def recursive() -> onnx.ModelProto:
    """Return a graph with a function that calls itself and divides."""
    model = one_op("Again", INT64, domain="own")
    nodes = [
        helper.make_node("Again", ["a"], ["b"], domain="own"),
        helper.make_node("Div", ["b", "a"], ["c"]),
    ]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    model.functions.append(helper.make_function("own", "Again", ["a"], ["c"], nodes, opsets))
    model.opset_import.append(opsets[1])
    return model


def twice_the_same_output() -> onnx.ModelProto:
    model = one_op("Relu")
    model.graph.output.append(model.graph.output[0])
    return model


def zip_map(**classes: Any) -> onnx.ModelProto:
    """Return a graph of a ZipMap on rows of four values."""
    model = one_op("ZipMap", domain="ai.onnx.ml", **classes)
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))
    return model


def always_empty() -> onnx.ModelProto:
    zero = numpy_helper.from_array(np.array([0]), "zero")
    axis = numpy_helper.from_array(np.array([1]), "axis")
    node = helper.make_node("Slice", ["x", "zero", "zero", "axis"], ["y"])
    return make_model([node], {"x": (FLOAT, ["n", 4])}, {"y": (FLOAT, ["n", 0])}, [zero, axis])


@pytest.mark.parametrize(
    ("model", "options", "why"),
    [
        (b"\x89PNG and so on", (), "net.onnx is not an ONNX file"),
        (b"", (), "net.onnx is not an ONNX file"),
        (Path("nowhere.onnx"), (), "there is no file nowhere.onnx"),
        (custom(), (), "needs custom operators, which are not served: org.x:Divine"),
        (one_op("Abs", TensorProto.BFLOAT16), (), "is bfloat16, a type that the Open Inference"),
        (sequence(), (), "the output y has the type sequence; only tensors are served"),
        (one_op("Relu", shape=["n", 4], to=INT64), (), "not a graph that onnxruntime accepts"),
        (one_op("RandomNormalLike"), (), "two runs on the same inputs differ"),
        (one_op("Log"), (), "give --sample inputs.npz with an array for each input (the output y"),
        (endless(), ("--time-limit", "4"), "did not finish its first runs within 4 s"),
        (one_op("Relu"), ("--sample", "x.npz"), "x.npz is not an .npz file of arrays"),
        (one_op("Relu"), ("--softmax",), "--softmax: only for image classifiers, which --labels"),
        (one_op("Relu"), ("--mean", "0", "--size", "8"), "--size, --mean: only for image"),
        (one_op("Relu", shape=["n", 2**20, 2**20]), (), ", 4,096 GiB in each request; the"),
        (external(location="net.onnx", length="many"), (), "data of "),
        (external(location="net.onnx", offset="-5"), (), "cannot be read: External data offset"),
        (external(location="../net.onnx"), (), "../net.onnx, which is not beside it"),
        (external(), (), "keeps weights in a file without a name"),
        (recursive(), (), "the functions of the graph cannot be inlined: Cycle detected"),
        (make_model([helper.make_node("Relu", ["x"], ["y"])], {"x": (FLOAT, ["n", 4])}, {}), (),
         "the graph has no outputs"),
        (zip_map(), (), "not a graph that onnxruntime accepts"),
        (zip_map(classlabels_int64s=[0, 1]), (), "ZipMap names 2 classes, but y has 4 values"),
        (always_empty(), (), "the output y is always empty"),
        (twice_the_same_output(), (), "several outputs have the same name: y"),
        (sum_of(64 + 1), (), "the graph has 65 inputs; the limit is 64"),
        (sum_of(2, name="x" * 256), (), "characters; the limit is 256"),
        (one_op("Relu"), ("--name", "My Model"), "is not a model name"),
    ],
)  # fmt: skip
def test_unservable_graph_is_rejected_with_a_reason_in_one_line(
    add: Add, tmp_path: Path, model: Any, options: tuple[str, ...], why: str
) -> None:
    code, out, err = add(model, *options)
    assert (code, out) == (1, "")
    assert re.fullmatch(r"error: [^\n]+\n", err)
    assert why in err
    assert not (tmp_path / "store").exists()


def test_control_characters_of_names_are_not_printed(add: Add) -> None:
    code, out, _ = add(sum_of(1, name="\x1b[2J\n"))
    assert code == 0
    assert "input        [2J 0 float32 [batch, 2]\n" in out


def test_graph_that_crashes_the_runtime_is_reported(
    add: Add, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nkill -SEGV $$\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    assert "the graph crashed onnxruntime (SIGSEGV) in its first run" in add(one_op("Relu"))[2]
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("arguments", [["models", "add", "my net.onnx"], ["add", "my net.onnx"]])
def test_card_states_the_command(
    add: Add, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["deepshelf", *arguments])
    assert add(one_op("Relu"))[0] == 0
    command = published(tmp_path)[1].provenance.command
    assert command == "deepshelf models add 'my net.onnx'"


def test_name_that_is_taken_needs_new_version(add: Add, tmp_path: Path) -> None:
    assert add(one_op("Relu"))[0] == 0
    assert "the name mine is taken (versions: 1); --new-version adds" in add(one_op("Abs"))[2]
    assert "published   mine 2 (tensors)" in add(one_op("Abs"), "--new-version")[1]


def test_store_that_cannot_be_written_is_one_line(add: Add, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")
    code, _, err = add(one_op("Relu"))
    assert code == 1
    assert "cannot be written: Not a directory" in err


def test_error_for_a_wrong_sample_states_the_expected_inputs(add: Add, tmp_path: Path) -> None:
    path = tmp_path / "inputs.npz"
    for arrays, why in (
        ({"z": np.zeros((1, 4))}, "the sample has the arrays z; the graph needs x"),
        ({"x": np.zeros((1, 5))}, "sample has the shape [1, 5]; the graph takes [batch, 4]"),
        ({"x": np.array([["a"] * 4])}, "x of the sample is <U1; the graph takes float32"),
    ):  # fmt: skip
        np.savez(path, **arrays)
        assert why in add(one_op("Relu"), "--sample", str(path))[2]
    assert list_model_names(tmp_path / "store") == [] if (tmp_path / "store").exists() else True
