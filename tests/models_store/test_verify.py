import io
import math
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import helper

from models_store.errors import IntegrityError, ManifestError, ReplayError, StoreError
from models_store.manifest import Golden, Manifest
from models_store.onnx.runtime import load_graph_fn
from models_store.verify import (
    GoldenCase,
    GraphFn,
    check_files,
    read_golden_cases,
    read_manifest,
    replay_graph,
    write_golden,
)
from tests.models_store.tampering import (
    edit_manifest,
    external_tensor,
    manifest_json,
    replace_file,
    save_graph,
)

Array = NDArray[Any]


def _replay(folder: Path) -> None:
    manifest = read_manifest(folder)
    graph = manifest.get_file("model")
    replay_graph(folder, manifest, graph, load_graph_fn(folder / graph.path))


@pytest.mark.parametrize(
    ("name", "version"), [("paint", 2), ("all-paint", 1), ("blur", 1), ("colour-same", 1)]
)
def test_published_version_verifies(store: Path, name: str, version: int) -> None:
    folder = store / name / str(version)
    check_files(folder, read_manifest(folder))
    _replay(folder)


# The manifest


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON: EOF while parsing"),
        (b"\x89PNG\r\n", "is not JSON"),
        (b"\xff\xfe{}", "is not JSON"),
        (b"[" * 100_000, "is not JSON: recursion limit exceeded"),
        (b"[]", "must be an object"),
        (b"{}", "name: is missing"),
        (b" " * (4 << 20) + b"{}", "is over 4 MiB"),
    ],
)
def test_invalid_manifest_is_rejected(folder: Path, content: bytes, message: str) -> None:
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(ManifestError, match=rf"manifest\.json:? {message}"):
        read_manifest(folder)


def test_missing_manifest_is_rejected(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    with pytest.raises(ManifestError, match=r"manifest\.json cannot be read: No such file"):
        read_manifest(folder)


def _link(path: Path) -> None:
    real = path.rename(path.with_name("real"))
    path.symlink_to(real.name)


def _endless(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("replace", [_link, _endless, _pipe, _folder])
def test_a_manifest_that_is_no_plain_file_is_never_opened(
    folder: Path, replace: Callable[[Path], None]
) -> None:
    replace(folder / "manifest.json")
    with pytest.raises(ManifestError, match=r"manifest\.json is not a plain file"):
        read_manifest(folder)


@pytest.mark.parametrize("to", ["paint/3", "print/1"])
def test_moved_version_is_rejected(own_store: Path, to: str) -> None:
    (own_store / to).parent.mkdir(exist_ok=True)
    moved = (own_store / "paint" / "1").rename(own_store / to)
    with pytest.raises(ManifestError, match=f"is for paint/1, but its folder is {to}"):
        read_manifest(moved)


def test_problem_names_its_location(folder: Path) -> None:
    edit_manifest(folder, lambda content: content["task"]["image"].update(width=-1))
    with pytest.raises(ManifestError, match=r"task\.image\.width: must be greater than 0, got -1"):
        read_manifest(folder)


# The files


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _extend(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


@pytest.mark.parametrize("name", ["model.onnx", "golden.npz", "preview.png"])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_flip, "is not the published file: its SHA-256 differs"),
        (_truncate, r"has \d+ bytes, not the published \d+"),
        (_extend, r"has \d+ bytes, not the published \d+"),
        (Path.unlink, "is missing or not a plain file"),
        (_link, "is missing or not a plain file"),
        (_endless, "is missing or not a plain file"),
        (_pipe, "is missing or not a plain file"),
        (_folder, "is missing or not a plain file"),
    ],
)
def test_a_file_that_is_not_the_published_one_is_named(
    folder: Path, name: str, damage: Callable[[Path], None], message: str
) -> None:
    manifest = read_manifest(folder)
    check_files(folder, manifest)
    damage(folder / name)
    with pytest.raises(IntegrityError, match=f"^{name} {message}"):
        check_files(folder, manifest)


def test_a_wrong_hash_is_damage(folder: Path) -> None:
    edit_manifest(folder, lambda content: content["files"][2].update(sha256="0" * 64))
    with pytest.raises(IntegrityError, match=r"preview\.png is not the published file"):
        check_files(folder, read_manifest(folder))


def test_unlisted_files_are_ignored(folder: Path) -> None:
    (folder / ".DS_Store").write_bytes(b"left by a file browser")
    check_files(folder, read_manifest(folder))


@pytest.mark.parametrize("location", ["weights.bin", "../../secret", "/etc/passwd"])
def test_graph_with_external_weights_is_rejected(
    folder: Path, location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = save_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], [external_tensor(location)])
    replace_file(folder, "model.onnx", graph)
    (folder / "weights.bin").write_bytes(np.ones((4, 4), np.float32).tobytes())
    # Given a graph as bytes, onnxruntime looks in the working directory.
    monkeypatch.chdir(folder)
    with pytest.raises(IntegrityError, match=r"model\.onnx stores data in other files"):
        check_files(folder, read_manifest(folder))


@pytest.mark.parametrize("content", [b"\x0f not a graph", b"\x1c\0\0\0ORTM\0\0\0\0"])
def test_graph_that_is_no_onnx_is_rejected(folder: Path, content: bytes) -> None:
    replace_file(folder, "model.onnx", content)
    with pytest.raises(IntegrityError, match=r"model\.onnx is not ONNX: "):
        check_files(folder, read_manifest(folder))


def test_graph_that_onnxruntime_rejects_is_rejected_without_its_path(
    folder: Path,
) -> None:
    unknown = save_graph([helper.make_node("Divine", ["x"], ["y"])], [])
    replace_file(folder, "model.onnx", unknown)
    check_files(folder, read_manifest(folder))
    with pytest.raises(ReplayError, match=r"model\.onnx is not a graph that .* accepts") as caught:
        _replay(folder)
    assert str(folder) not in str(caught.value)


# The golden cases


class _Trap:
    """Unpickled, it makes a file: a pickle is a program."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Path]]:
        return Path.touch, (self.path,)


def _npz(**arrays: Array) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=True, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["npz", "npy", "pickle"])
def test_a_pickle_among_the_golden_cases_is_never_run(
    folder: Path, tmp_path: Path, form: str
) -> None:
    trap = _Trap(tmp_path / "sprung")
    array = np.array([trap], dtype=object)
    if form == "npz":
        keys = ("model/0/inputs/images", "model/0/outputs/probabilities")
        content = _npz(**dict.fromkeys(keys, array))
    elif form == "npy":
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=True)
        content = buffer.getvalue()
    else:
        content = pickle.dumps(trap)
    replace_file(folder, "golden.npz", content)
    with pytest.raises(IntegrityError, match=r"golden\.npz holds no case for model\.onnx"):
        _replay(folder)
    assert not trap.path.exists()


def _bomb() -> bytes:
    """Return an entry whose header declares 300 MiB."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/0/inputs/images.npy", bytes(1000))
        archive.infolist()[0].file_size = 300 << 20
    return buffer.getvalue()


def _zip_with_false_size() -> bytes:
    """Return a header that declares four tebibytes."""
    buffer, header = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (1 << 42,)}
    )
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("model/0/inputs/images.npy", header.getvalue())
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"x",
        b"PK\x03\x04 and no more",
        b"PK\x05\x06" + bytes(18),
        _npz(**{"model/0/inputs/images": np.zeros((1, 8, 8, 3), np.uint8)}),
        _zip_with_false_size(),
    ],
    ids=["no archive", "broken archive", "empty archive", "no outputs", "a boasting header"],
)
def test_golden_cases_that_cannot_be_read_are_damage(folder: Path, content: bytes) -> None:
    replace_file(folder, "golden.npz", content)
    with pytest.raises(IntegrityError, match=r"golden\.npz holds no case for model\.onnx"):
        _replay(folder)


def test_golden_cases_that_would_fill_the_memory_are_rejected(folder: Path) -> None:
    replace_file(folder, "golden.npz", _bomb())
    with pytest.raises(IntegrityError, match="it unpacks to over 256 MiB"):
        _replay(folder)


def test_every_promised_case_must_be_there(folder: Path) -> None:
    published = manifest_json(folder)["golden"]["cases"]
    edit_manifest(folder, lambda content: content["golden"].update(cases=published + 1))
    with pytest.raises(IntegrityError, match=rf"holds no case .*model/{published}/inputs/images"):
        _replay(folder)


def test_golden_cases_read_back_as_they_were_written(store: Path, tmp_path: Path) -> None:
    graph = read_manifest(store / "paint" / "1").get_file("model")
    random = np.random.default_rng(0)
    cases = [
        GoldenCase(
            {"images": random.integers(0, 256, (batch, 8, 8, 3), np.uint8)},
            {"probabilities": random.random((batch, 3), np.float32)},
        )
        for batch in (1, 4)
    ]
    write_golden(tmp_path / "golden.npz", {"model": cases, "other": cases[:1]})
    read = list(read_golden_cases(tmp_path / "golden.npz", graph, 2))
    for got, expected in zip(read, cases, strict=True):
        for ours, theirs in ((got.inputs, expected.inputs), (got.outputs, expected.outputs)):
            assert ours.keys() == theirs.keys()
            assert all(ours[name].dtype == theirs[name].dtype for name in ours)
            assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


# The replay


@pytest.fixture
def compare(store: Path, tmp_path: Path) -> Callable[..., None]:
    """Replay one case, whose output is `expected`, with a runtime that returns `got`."""
    manifest = read_manifest(store / "paint" / "1")

    def compare(got: Array, expected: Array, *, rtol: float = 0.0, atol: float = 0.0) -> None:
        case = GoldenCase({"images": np.zeros(1)}, {"probabilities": expected})
        write_golden(tmp_path / "golden.npz", {"model": [case]})
        limits: Manifest = manifest.model_copy(
            update={"golden": Golden(cases=1, rtol=rtol, atol=atol)}
        )
        replay_graph(tmp_path, limits, manifest.get_file("model"), lambda _: {"probabilities": got})

    return compare


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("expected", "allowed"), [(0.0, 0.5), (8.0, 2.5), (-8.0, 2.5)])
def test_a_deviation_passes_up_to_atol_and_rtol_of_the_value(
    compare: Callable[..., None], expected: float, allowed: float, sign: int
) -> None:
    # 0.5 + 0.25 × |expected|, all exact in binary
    at = np.array([expected + sign * allowed])
    beyond = np.nextafter(at, sign * math.inf)
    compare(at, np.array([expected]), rtol=0.25, atol=0.5)
    with pytest.raises(ReplayError, match=r"case 0, output probabilities of model\.onnx: deviates"):
        compare(beyond, np.array([expected]), rtol=0.25, atol=0.5)


def test_one_value_out_of_many_is_enough_to_fail(compare: Callable[..., None]) -> None:
    expected = np.zeros((4, 100), np.float32)
    got = expected.copy()
    compare(got, expected)
    got[2, 50] = 1e-6
    with pytest.raises(ReplayError, match=r"deviates by 1e-06, allowed 0 \+ 0 × \|value\|"):
        compare(got, expected)


def test_bytes_are_compared_as_numbers(compare: Callable[..., None]) -> None:
    # In uint8 arithmetic 0 - 1 would be 255, and 255 - 0 would wrap to 1 as int8.
    compare(np.array([0, 254], np.uint8), np.array([1, 255], np.uint8), atol=1)
    with pytest.raises(ReplayError, match="deviates by 255"):
        compare(np.array([0], np.uint8), np.array([255], np.uint8), atol=1)


@pytest.mark.parametrize(
    ("got", "expected"),
    [(math.nan, 1.0), (1.0, math.nan), (math.nan, math.nan), (math.inf, math.inf)],
)
def test_nan_never_passes(compare: Callable[..., None], got: float, expected: float) -> None:
    with pytest.raises(ReplayError, match="deviates by nan"):
        compare(np.array([1, got]), np.array([1, expected]), rtol=1e300, atol=1e300)


@pytest.mark.parametrize(
    ("got", "message"),
    [
        (np.zeros((3, 2), np.float32), r"got float32 \(3, 2\), published float32 \(2, 3\)"),
        (np.zeros((1, 3), np.float32), r"got float32 \(1, 3\), published float32 \(2, 3\)"),
        (np.zeros((2, 3), np.float64), r"got float64 \(2, 3\), published float32 \(2, 3\)"),
        (np.zeros((2, 3), np.uint8), r"got uint8 \(2, 3\), published float32 \(2, 3\)"),
    ],
)
def test_other_shape_or_type_fails_at_any_tolerance(
    compare: Callable[..., None], got: Array, message: str
) -> None:
    with pytest.raises(ReplayError, match=message):
        compare(got, np.zeros((2, 3), np.float32), atol=1e9)


def _raises(error: Exception) -> GraphFn:
    def run(inputs: object) -> dict[str, Array]:
        raise error

    return run


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (_raises(RuntimeError("out of ideas")), "case 0 of model.onnx cannot be computed: out of"),
        (_raises(IntegrityError("as it is")), "^as it is$"),
        (lambda _: {"likelihoods": np.zeros(1)}, "case 0 of model.onnx: the graph returns no prob"),
    ],
)
def test_a_runtime_that_fails_is_a_store_error(store: Path, run: GraphFn, message: str) -> None:
    folder = store / "paint" / "1"
    manifest = read_manifest(folder)
    with pytest.raises(StoreError, match=message):
        replay_graph(folder, manifest, manifest.get_file("model"), run)


def test_a_graph_that_does_not_take_the_published_inputs_is_a_store_error(
    folder: Path,
) -> None:
    replace_file(folder, "model.onnx", save_graph([helper.make_node("Relu", ["x"], ["y"])], []))
    with pytest.raises(ReplayError, match=r"case 0 of model\.onnx cannot be computed"):
        _replay(folder)


def test_another_network_under_the_same_name_fails(own_store: Path) -> None:
    # The sharper classifier's graph in place of the first, with hashes that fit.
    sharper = (own_store / "paint" / "2" / "model.onnx").read_bytes()
    replace_file(own_store / "paint" / "1", "model.onnx", sharper)
    check_files(own_store / "paint" / "1", read_manifest(own_store / "paint" / "1"))
    with pytest.raises(ReplayError, match=r"case 0, output .* of model\.onnx: deviates"):
        _replay(own_store / "paint" / "1")
