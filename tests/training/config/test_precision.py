"""`precision: auto` is settled before training, and a run says as what."""

from pathlib import Path

import pytest

from tests.training.tiny import recipe as tiny
from training.config.recipe import (
    built_in_recipes,
    load_recipe,
    resolve_precision,
    supports_bfloat16,
)
from training.config.train import ResolvedPrecision
from training.engine.trainer import fit


@pytest.mark.parametrize(("native", "format_"), [(True, "bf16-mixed"), (False, "32-true")])
def test_auto_is_bfloat16_only_where_the_machine_multiplies_it(native: bool, format_: str) -> None:
    assert resolve_precision("auto", native) == format_


@pytest.mark.parametrize("chosen", ["32-true", "bf16-mixed", "16-mixed"])
def test_explicit_precision_is_not_replaced(chosen: ResolvedPrecision) -> None:
    assert resolve_precision(chosen, native_bfloat16=True) == chosen


def test_run_records_the_resolved_precision_and_resumes(tmp_path: Path) -> None:
    recipe = tiny(precision="auto", epochs=1)
    fit(recipe, tmp_path, show_progress=False)
    recorded = load_recipe(str(tmp_path / "recipe.yaml")).precision
    assert recorded == ("bf16-mixed" if supports_bfloat16() else "32-true")
    assert len(fit(recipe, tmp_path, resume=True, show_progress=False).log) == 1


def test_built_in_recipes_need_no_special_hardware() -> None:
    assert {load_recipe(name).precision for name in built_in_recipes()} <= {"auto", "32-true"}
