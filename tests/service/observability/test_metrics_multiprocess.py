import json
import subprocess
import sys
from pathlib import Path

import pytest

from service.observability.metrics.counters import Samples
from service.observability.metrics.multiprocess import SnapshotExchange


def _counted(number: float) -> Samples:
    return {"deepshelf_cancelled": {("/v1/text",): [number]}, "deepshelf_workers": {(): [1]}}


def _left_by_a_dead_worker(folder: Path, number: float) -> None:
    """Written by a process that then ends without a word."""
    code = (
        "import os, sys; from pathlib import Path; "
        "from service.observability.metrics.multiprocess import SnapshotExchange; "
        f"SnapshotExchange(Path(sys.argv[1])).write({_counted(number)!r}); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=False, timeout=60)


def test_each_worker_sees_the_sum_of_all(tmp_path: Path) -> None:
    one, two = SnapshotExchange(tmp_path), SnapshotExchange(tmp_path)
    one.write(_counted(3))
    two.write(_counted(4))
    for share, own in ((one, 3), (two, 4)):
        assert share.total(_counted(own)) == {
            "deepshelf_cancelled": {("/v1/text",): [7]},
            "deepshelf_workers": {(): [2]},
        }
    assert one.total(_counted(5))["deepshelf_cancelled"] == {("/v1/text",): [9]}


def test_counts_of_a_dead_worker_stay_and_what_it_was_at_that_moment_does_not(
    tmp_path: Path,
) -> None:
    alone = SnapshotExchange(tmp_path)
    _left_by_a_dead_worker(tmp_path, 5)
    expected = {"deepshelf_cancelled": {("/v1/text",): [6]}, "deepshelf_workers": {(): [1]}}
    assert alone.total(_counted(1)) == expected


def test_a_new_worker_takes_over_the_counts_of_dead_ones_and_their_files_go(
    tmp_path: Path,
) -> None:
    witness = SnapshotExchange(tmp_path)
    witness.write(_counted(1))
    for number in (10, 20):
        _left_by_a_dead_worker(tmp_path, number)
    heir = SnapshotExchange(tmp_path)
    heir.write(_counted(0))
    for share, own in ((heir, 0), (witness, 1)):
        total = share.total(_counted(own))
        assert total["deepshelf_cancelled"] == {("/v1/text",): [31]}
        assert total["deepshelf_workers"] == {(): [2]}
    assert len(list(tmp_path.iterdir())) == 2


def test_between_taking_over_and_cleaning_up_nothing_is_counted_twice(tmp_path: Path) -> None:
    _left_by_a_dead_worker(tmp_path, 5)
    (left,) = tmp_path.glob("*.json")
    text = left.read_text()
    heir = SnapshotExchange(tmp_path)
    left.write_text(text)  # as if it had not been removed yet
    witness = SnapshotExchange(tmp_path)
    for share in (heir, witness):
        assert share.total({})["deepshelf_cancelled"] == {("/v1/text",): [5]}


def test_an_heir_that_dies_before_it_could_clean_up_leaves_nothing_twice(tmp_path: Path) -> None:
    _left_by_a_dead_worker(tmp_path, 5)
    (first,) = tmp_path.glob("*.json")
    text = first.read_text()
    _left_by_a_dead_worker(tmp_path, 7)  # it took over the first
    first.write_text(text)
    heir = SnapshotExchange(tmp_path)
    assert heir.total({})["deepshelf_cancelled"] == {("/v1/text",): [12]}
    assert len(list(tmp_path.iterdir())) == 1


def test_what_one_worker_has_claimed_no_other_takes_over(tmp_path: Path) -> None:
    _left_by_a_dead_worker(tmp_path, 5)
    (left,) = tmp_path.glob("*.json")
    left.with_suffix(".claim").touch()  # by one that died before it could write
    late = SnapshotExchange(tmp_path)
    assert late.total({})["deepshelf_cancelled"] == {("/v1/text",): [5]}


@pytest.mark.parametrize("damage", ["", "{", "[]", "[1, 2, 3, 4, 5]", "null", '["a",1,1,[],[1]]'])
def test_a_damaged_file_is_passed_over(tmp_path: Path, damage: str) -> None:
    share = SnapshotExchange(tmp_path)
    (tmp_path / "x.json").write_text(damage)
    assert share.total(_counted(1)) == _counted(1)


def test_a_worker_that_hangs_is_not_counted_as_one_that_serves(tmp_path: Path) -> None:
    silent, awake = SnapshotExchange(tmp_path), SnapshotExchange(tmp_path)
    silent.write(_counted(2))
    (path,) = tmp_path.glob("*.json")
    content = json.loads(path.read_text())
    content[2] -= 60
    path.write_text(json.dumps(content))
    total = awake.total(_counted(1))
    assert total == {"deepshelf_cancelled": {("/v1/text",): [3]}, "deepshelf_workers": {(): [1]}}
