import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from models_store.cli import app
from models_store.layout import list_model_names, list_versions
from models_store.manifest import Manifest
from models_store.verify import read_manifest
from tests.command_line import exit_code
from tests.fakes.tensor_models import make_model, publish_tensors_model
from tests.models_store.tampering import edit_manifest
from tests.repository import ROOT

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command on a store: exit code, stdout and stderr."""

    def run(store: Path, *arguments: str) -> tuple[int, str, str]:
        return exit_code(app, "--store", str(store), *arguments), *capsys.readouterr()

    return run


def test_list_shows_every_version(store: Path, run: Run) -> None:
    code, out, err = run(store, "list")
    assert (code, err) == (0, "")
    assert [line.split()[:3] for line in out.splitlines()] == [
        ["all-paint", "1", "classification"],
        ["blur", "1", "denoising"],
        ["colour-same", "1", "denoising"],
        ["paint", "1", "classification"],
        ["paint", "2", "classification"],
    ]


@pytest.mark.parametrize("option", [("--store", "{store}"), ("--store={store}",)])
def test_store_may_follow_the_command(
    store: Path, run: Run, capsys: pytest.CaptureFixture[str], option: tuple[str, ...]
) -> None:
    expected = run(store, "show", "paint", "--version", "1")
    given = [argument.format(store=store) for argument in option]
    code = exit_code(app, "show", "paint", *given, "--version", "1")
    assert (code, *capsys.readouterr()) == expected


def test_missing_archive_is_named_without_an_error_number(tmp_path: Path, run: Run) -> None:
    missing = tmp_path / "none.tar"
    code, _, err = run(tmp_path, "import", str(missing))
    assert (code, err) == (1, f"error: {missing}: No such file or directory\n")


def test_list_shows_what_is_unreadable_among_the_rest(own_store: Path, run: Run) -> None:
    (own_store / "blur" / "1" / "manifest.json").write_text("{}")
    code, out, _ = run(own_store, "list")
    assert code == 0
    assert len(out.splitlines()) == 5
    assert "1  unreadable: manifest.json: name: is missing; version: is missing; " in out


def test_list_of_an_empty_store_is_empty(tmp_path: Path, run: Run) -> None:
    assert run(tmp_path, "list") == (0, "", "")


def test_show_prints_the_card_of_the_highest_version(store: Path, run: Run) -> None:
    code, out, err = run(store, "show", "paint")
    assert (code, err) == (0, "")
    assert out.startswith("paint 2 (classification): Made for a test.\n")
    for line in ("parameters    1\n", "model         model.onnx, ", "licence       Apache-2.0\n"):
        assert line in out
    assert run(store, "show", "paint", "--version", "1")[1].startswith("paint 1 ")


def test_show_prints_figures_with_where_they_come_from(own_store: Path, run: Run) -> None:
    metric = {
        "name": "accuracy", "value": 0.91234, "dataset": "CIFAR-10", "split": "test", "n": 10000,
        "note": "top-1",
    }  # fmt: skip
    source = {"title": "CIFAR-10", "source": "web", "licence": "none", "sha256": "0" * 64}
    edit_manifest(
        own_store / "blur" / "1",
        lambda content: content.update(metrics=[metric], data=[{**source, "n": 50000}]),
    )
    _, out, _ = run(own_store, "show", "blur")
    assert "metric        accuracy 0.9123 (CIFAR-10, test, n = 10,000, fp32; top-1)\n" in out
    assert "trained on    CIFAR-10, n = 50,000; none; web\n" in out


def test_verify_reports_every_version(store: Path, run: Run) -> None:
    code, out, err = run(store, "verify")
    assert (code, err) == (0, "")
    assert [line.split() for line in out.splitlines()][-2:] == [
        ["paint", "1", "ok"],
        ["paint", "2", "ok"],
    ]
    assert len(out.splitlines()) == 5
    assert len(run(store, "verify", "blur", "all-paint")[1].splitlines()) == 2


def test_verify_continues_after_a_failure_and_exits_with_1(own_store: Path, run: Run) -> None:
    (own_store / "paint" / "1" / "model.onnx").write_bytes(b"x")
    code, out, _ = run(own_store, "verify", "paint")
    first, second = out.splitlines()
    assert code == 1
    assert "1  FAILED: model.onnx has 1 bytes, not the published" in first
    assert second.endswith("2  ok")


def test_verify_replays_the_golden_cases(own_store: Path, run: Run) -> None:
    edit_manifest(own_store / "blur" / "1", lambda content: content["golden"].update(cases=9))
    code, out, _ = run(own_store, "verify", "blur")
    assert code == 1
    assert "FAILED: golden.npz holds no case for model.onnx" in out


def test_verify_of_an_empty_store_is_an_error(tmp_path: Path, run: Run) -> None:
    code, out, err = run(tmp_path, "verify")
    assert (code, out) == (1, "")
    assert err == f"error: there is no model in {tmp_path}\n"


def test_measure_records_and_prints_batch_sizes(own_store: Path, run: Run) -> None:
    code, out, _ = run(own_store, "measure", "paint")
    assert code == 0
    recorded = read_manifest(own_store / "paint" / "2").batching["model.onnx"]
    assert out.splitlines()[0] == f"model.onnx: {recorded.describe()}"
    assert len(out.splitlines()) == 1 + len(recorded.measured)
    assert f"batching      model.onnx: {recorded.describe()}" in run(own_store, "show", "paint")[1]


def test_measure_of_a_graph_without_a_batch_axis_says_so(tmp_path: Path, run: Run) -> None:
    node = helper.make_node("Abs", ["x"], ["y"])
    scalar: tuple[int, list[int | str]] = (TensorProto.FLOAT, [])
    model = make_model([node], {"x": scalar}, {"y": scalar})
    publish_tensors_model(tmp_path, "one", model, {"x": np.array(-1, np.float32)})
    code, out, _ = run(tmp_path, "measure", "one")
    assert (code, out) == (
        0, "nothing to measure: dynamic batching needs a graph with a free batch axis\n",
    )  # fmt: skip


def test_schema_is_that_of_the_manifest(store: Path, run: Run) -> None:
    code, out, _ = run(store, "schema")
    assert code == 0
    assert json.loads(out) == Manifest.model_json_schema()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "scissors"), "there is no model scissors in .*; models: all-paint, blur, "),
        (("show", "pant"), "there is no model pant in .*; did you mean paint"),
        (("verify", "scissors"), "there is no model scissors in "),
        (("show", "paint", "--version", "3"), "paint has no version 3 in .*: 1, 2"),
        (("show", "paint", "--version", "0"), "paint has no version 0 in .*: 1, 2"),
        (("show", "../paint"), "'../paint' is not a model name"),
        (("verify", "blur", ".."), "'..' is not a model name"),
    ],
)
def test_missing_model_is_one_line_and_exit_1(
    store: Path, run: Run, arguments: tuple[str, ...], message: str
) -> None:
    code, _, err = run(store, *arguments)
    assert code == 1
    assert err.count("\n") == 1
    assert re.match(f"error: {message}", err)


@pytest.mark.parametrize("command", ["list", "verify"])
def test_missing_store_is_one_line(tmp_path: Path, run: Run, command: str) -> None:
    code, out, err = run(tmp_path / "nowhere", command)
    assert (code, out) == (1, "")
    assert err.startswith("error: there is no store at ")
    assert err.count("\n") == 1


def test_a_hostile_manifest_cannot_write_lines_or_escapes_of_its_own(
    own_store: Path, run: Run
) -> None:
    key = "x\nall-paint 9 ok\x1b[2J\u2028"
    edit_manifest(own_store / "blur" / "1", lambda content: content.update({key: 1}))
    for command in (("list",), ("verify",), ("verify", "blur")):
        _, out, _ = run(own_store, *command)
        assert "\x1b" not in out
        (line,) = (line for line in out.splitlines() if line.startswith("blur"))
        assert "all-paint 9 ok" in line
    _, _, err = run(own_store, "show", "blur")
    (line,) = err.splitlines()
    assert line.startswith("error: manifest.json: unknown field ")


@pytest.mark.parametrize(
    "arguments", [(), ("publish",), ("show",), ("show", "a", "--version", "x")]
)
def test_wrong_arguments_exit_with_2(store: Path, run: Run, arguments: tuple[str, ...]) -> None:
    assert run(store, *arguments)[0] == 2


def test_the_commands_run_where_torch_cannot_be_imported(store: Path) -> None:
    # An entry of None makes `import` fail, as if the package were not installed.
    program = (
        "import sys; sys.modules.update(dict.fromkeys(['torch', 'onnx', 'training', 'service']))\n"
        "from models_store.cli import app; app(args=sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, "verify", "paint"],
        cwd=ROOT,
        env={**os.environ, "DEEPSHELF_STORE": str(store)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["paint", "1", "ok"],
        ["paint", "2", "ok"],
    ]


def test_versions_travel_as_one_file(store: Path, run: Run, tmp_path: Path) -> None:
    file = str(tmp_path / "store.tar.gz")
    code, out, err = run(store, "export", file, "paint", "blur/1")
    assert (code, err) == (0, "")
    assert [line.split()[:2] for line in out.splitlines()[:2]] == [["blur", "1"], ["paint", "2"]]
    assert re.fullmatch(r"sha256 [0-9a-f]{64}  .*/store\.tar\.gz", out.splitlines()[2])
    code, out, err = run(tmp_path / "other", "import", file)
    assert (code, err) == (0, "")
    assert [line.split() for line in out.splitlines()] == [
        ["blur", "1", "new"], ["paint", "2", "new"]
    ]  # fmt: skip
    assert run(tmp_path / "other", "import", file)[1].count("exists") == 2


def test_a_backup_holds_every_version_and_the_plain_export_the_highest(
    store: Path, run: Run, tmp_path: Path
) -> None:
    _, highest, _ = run(store, "export", str(tmp_path / "one.tar"), "paint")
    code, every, _ = run(store, "export", "--all", str(tmp_path / "all.tar"))
    assert code == 0
    assert [line.split() for line in highest.splitlines()[:-1]] == [["paint", "2"]]
    existing = {
        (name, str(v)) for name in list_model_names(store) for v in list_versions(store, name)
    }
    assert {tuple(line.split()) for line in every.splitlines()[:-1]} == existing
    code, _, err = run(store, "export", "--all", str(tmp_path / "all.tar"), "paint")
    assert (code, err) == (1, "error: --all exports every model: leave out the names\n")


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ("paint/9", "paint has no version 9 in .*; versions: 1, 2"),
        ("paint/x", "'paint/x': a version is a number, as in paint/1"),
        ("gone", "there is no model gone in .*; models: "),
    ],
)
def test_export_of_an_unknown_model_lists_the_models(
    store: Path, run: Run, tmp_path: Path, selection: str, message: str
) -> None:
    code, _, err = run(store, "export", str(tmp_path / "x.tar"), selection)
    assert code == 1
    assert re.search(message, err)
    assert list(tmp_path.iterdir()) == []
