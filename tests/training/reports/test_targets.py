"""The report compares the figures of a store with their targets."""

import re
from pathlib import Path

import pytest
from rich.console import Console

from models_store.verify import read_manifest
from training.config.recipe import built_in_recipes
from training.reports.targets import Target, load_targets, store_table

STORE = Path(__file__).parents[3] / "models_store"


def _report(store: Path, targets: dict[str, tuple[Target, ...]]) -> str:
    console = Console(width=300, highlight=False)
    with console.capture() as capture:
        console.print(store_table(store, targets))
    return capture.get()


def test_every_target_has_a_recipe_or_command() -> None:
    made_by_commands = {"ensemble-cifar10"}
    assert set(load_targets()) <= set(built_in_recipes()) | made_by_commands


@pytest.mark.parametrize("name", sorted(name for name in load_targets() if (STORE / name).is_dir()))
def test_targets_name_metrics_of_the_published_model(name: str) -> None:
    latest = max((STORE / name).glob("[0-9]*"), key=lambda path: int(path.name))
    figures = {metric.name: metric.value for metric in read_manifest(latest).metrics}
    assert all(target.value(figures) is not None for target in load_targets()[name])


def test_report_shows_metric_target_and_anchor() -> None:
    report = _report(STORE, {"charnn-tiny": (Target(metric="nll", at_most=0.1, anchor="a bound"),)})
    assert re.search(
        r"charnn-tiny +3 +nll +0.2579 +≤ 0.1 +missed by 0.16 after 0.1 h +2,782 +a bound", report
    )


@pytest.mark.parametrize(
    ("target", "value", "is_met", "bound"),
    [
        (Target(metric="m", at_least=0.5), 0.5, True, "≥ 0.5"),
        (Target(metric="m", at_least=0.5), 0.4, False, "≥ 0.5"),
        (Target(metric="m", at_most=0.5), 0.4, True, "≤ 0.5"),
        (Target(metric="m", at_most=0.5), 0.6, False, "≤ 0.5"),
        (Target(metric="m"), 0.6, None, ""),
    ],
)
def test_a_target_is_met_or_missed(
    target: Target, value: float, is_met: bool | None, bound: str
) -> None:
    miss = target.miss(value)
    assert (None if miss is None else miss <= 0) == is_met
    assert target.bound == bound


def test_a_gain_is_the_difference_of_two_metrics() -> None:
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
