"""The report compares the figures of a store with their targets."""

import re
from pathlib import Path

import pytest
from rich.console import Console

from models_store.verify import read_manifest
from training.config.recipe import built_in_recipes
from training.reports.targets import Target, load_targets, store_table

STORE = Path(__file__).parents[3] / "models_store"


def _report(store: Path, meant: dict[str, tuple[Target, ...]]) -> str:
    console = Console(width=300, highlight=False)
    with console.capture() as capture:
        console.print(store_table(store, meant))
    return capture.get()


def test_every_goal_is_of_a_model_that_can_be_made() -> None:
    made_by_commands = {"ensemble-cifar10"}
    assert set(load_targets()) <= set(built_in_recipes()) | made_by_commands


@pytest.mark.parametrize("name", sorted(name for name in load_targets() if (STORE / name).is_dir()))
def test_a_goal_names_figures_that_the_published_model_has(name: str) -> None:
    latest = max((STORE / name).glob("[0-9]*"), key=lambda path: int(path.name))
    figures = {metric.name: metric.value for metric in read_manifest(latest).metrics}
    assert all(goal.value(figures) is not None for goal in load_targets()[name])


def test_a_figure_stands_beside_its_target_and_anchor() -> None:
    report = _report(STORE, {"charnn-tiny": (Target(metric="nll", at_most=0.1, anchor="a bound"),)})
    assert re.search(r"charnn-tiny +2 +nll +0.2579 +≤ 0.1 +missed +2,782 +a bound", report)


@pytest.mark.parametrize(
    ("goal", "value", "reached", "bound"),
    [
        (Target(metric="m", at_least=0.5), 0.5, True, "≥ 0.5"),
        (Target(metric="m", at_least=0.5), 0.4, False, "≥ 0.5"),
        (Target(metric="m", at_most=0.5), 0.4, True, "≤ 0.5"),
        (Target(metric="m", at_most=0.5), 0.6, False, "≤ 0.5"),
        (Target(metric="m"), 0.6, None, ""),
    ],
)
def test_a_bound_is_reached_or_missed(
    goal: Target, value: float, reached: bool | None, bound: str
) -> None:
    assert (goal.is_met(value), goal.bound) == (reached, bound)


def test_a_gain_is_what_one_figure_has_over_another() -> None:
    gain = Target(metric="all", over="mean", at_least=0.01)
    assert gain.value({"all": 0.75, "mean": 0.5}) == 0.25
    assert gain.value({"all": 0.75}) is None


def test_both_bounds_at_once_are_rejected() -> None:
    with pytest.raises(ValueError, match="not both"):
        Target(metric="m", at_least=1, at_most=2)


def test_model_without_a_target_shows_its_first_figure() -> None:
    rows = [line for line in _report(STORE, {}).splitlines() if line.startswith("denoiser-mnist")]
    assert len(rows) == 1
    assert "psnr_in/course" in rows[0]


def test_target_without_a_figure_is_shown_as_not_measured() -> None:
    report = _report(STORE, {"charnn-tiny": (Target(metric="bleu", at_least=0.5),)})
    assert re.search(r"charnn-tiny .*bleu .*not measured .*≥ 0.5", report)


def test_damaged_manifest_is_shown_as_unreadable(tmp_path: Path) -> None:
    folder = tmp_path / "broken" / "1"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{")
    assert "unreadable" in _report(tmp_path, {})
