"""The rule by which batching is switched on, and its place in the manifest."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from models_store.batching import Batching, BatchMeasurement
from models_store.errors import ManifestError
from models_store.manifest import Manifest
from models_store.onnx.batching import choose_batching, measure_version, repeat_rows
from models_store.publish import record_batching
from models_store.verify import check_files, read_manifest


def _measured(rows_per_s: dict[int, float]) -> list[BatchMeasurement]:
    return [
        BatchMeasurement(size=size, runs_per_s=rate / size, rows_per_s=rate)
        for size, rate in rows_per_s.items()
    ]


@pytest.mark.parametrize(
    ("rows_per_s", "max_batch_size", "max_wait_ms"),
    [
        # A dense net: 8 rows reach 95 % of what 32 do, and run in 0.22 ms.
        ({1: 12_600, 2: 23_900, 4: 34_600, 8: 36_400, 16: 37_300, 32: 37_900}, 8, 2.0),
        # A wide dense net: a run of 64 rows takes 10 ms.
        ({1: 200, 2: 400, 4: 800, 8: 1600, 16: 3000, 32: 5000, 64: 6400}, 64, 10.0),
        ({1: 8700, 2: 9400, 4: 9900, 8: 10_000}, 1, 0.0),  # a convolutional net
        ({1: 100}, 1, 0.0),  # one row takes longer than a batch may
    ],
)
def test_batches_are_on_where_they_compute_a_third_more_rows(
    rows_per_s: dict[int, float], max_batch_size: int, max_wait_ms: float
) -> None:
    chosen = choose_batching(_measured(rows_per_s))
    assert (chosen.max_batch_size, chosen.max_wait_ms) == (max_batch_size, max_wait_ms)


def test_limits_are_described_with_the_measured_gain() -> None:
    chosen = choose_batching(_measured({1: 200, 2: 300, 4: 500}))
    assert chosen.describe() == "up to 4 rows, 8 ms (2.5 × the rows per second of single rows)"
    assert Batching(max_batch_size=1, max_wait_ms=0).describe().startswith("off")


def test_every_graph_with_a_free_batch_axis_is_measured(folder: Path) -> None:
    batching = measure_version(folder, read_manifest(folder))
    assert list(batching) == ["model.onnx"]
    sizes = [one.size for one in batching["model.onnx"].measured]
    assert sizes[:4] == [1, 2, 4, 8]


def test_rows_are_repeated_in_order() -> None:
    rows = repeat_rows({"x": np.array([[1], [2], [3]])}, 5)
    assert rows["x"].tolist() == [[1], [2], [3], [1], [2]]


def test_recorded_limits_are_read_back_and_the_files_stay(folder: Path) -> None:
    before = read_manifest(folder)
    limits = {"model.onnx": Batching(max_batch_size=4, max_wait_ms=2.0)}
    record_batching(folder, limits)
    after = read_manifest(folder)
    assert after == before.model_copy(update={"batching": limits})
    check_files(folder, after)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["1", "2"]


def test_limits_of_an_unknown_graph_are_rejected_and_nothing_changes(folder: Path) -> None:
    before = (folder / "manifest.json").read_bytes()
    with pytest.raises(ManifestError, match=r"batching names other\.onnx"):
        record_batching(folder, {"other.onnx": Batching(max_batch_size=4, max_wait_ms=2.0)})
    assert (folder / "manifest.json").read_bytes() == before


def test_limits_of_a_signed_version_are_not_changed(folder: Path) -> None:
    (folder / "manifest.json.sig").write_text("a signature")
    with pytest.raises(ManifestError, match="is signed"):
        record_batching(folder, {})


def test_a_graph_with_a_fixed_batch_axis_has_no_limits(folder: Path) -> None:
    manifest = read_manifest(folder)
    graph = manifest.get_file("model")
    fixed = tuple(spec.model_copy(update={"shape": (1, *spec.shape[1:])}) for spec in graph.inputs)
    files = tuple(
        file.model_copy(update={"inputs": fixed}) if file is graph else file
        for file in manifest.files
    )
    limits = {graph.path: Batching(max_batch_size=4, max_wait_ms=2.0)}
    changed = manifest.model_copy(update={"files": files, "batching": limits})
    with pytest.raises(ValidationError, match="no free batch axis"):
        Manifest.model_validate(changed.model_dump())
