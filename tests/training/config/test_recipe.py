import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.training.tiny import DENOISING, content
from training.config.recipe import Recipe, built_in_recipes, load_recipe
from training.errors import RecipeError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(content()))
    return path


@pytest.mark.parametrize("name", built_in_recipes())
def test_every_built_in_recipe_is_valid_and_called_as_its_file(name: str) -> None:
    assert load_recipe(name).name == name


def test_there_are_built_in_recipes() -> None:
    assert "resnet-cifar10" in built_in_recipes()


def test_own_file_is_loaded(path: Path) -> None:
    assert load_recipe(str(path)) == Recipe.model_validate(content())


def test_resolved_recipe_loads_as_the_same_recipe() -> None:
    recipe = load_recipe("resnet-cifar10", ["data.copy=packed"])
    resolved = yaml.safe_dump(recipe.model_dump(mode="json", by_alias=True))
    assert Recipe.model_validate(yaml.safe_load(resolved)) == recipe


def test_fields_are_overridden_as_yaml(path: Path) -> None:
    recipe = load_recipe(
        str(path),
        ["optimizer.lr=1e-3", "epochs=9", "channels_last=true", "early_stop.patience=2",
         "task.transforms=[{kind: flip}]", "ema_decay=null"],
    )  # fmt: skip
    assert (recipe.optimizer.lr, recipe.epochs, recipe.channels_last) == (1e-3, 9, True)
    assert recipe.early_stop is not None
    assert recipe.early_stop.patience == 2
    assert [transform.kind for transform in getattr(recipe.task, "transforms", ())] == ["flip"]


def test_a_temperature_needs_images_that_nothing_else_learnt_from(path: Path) -> None:
    with pytest.raises(RecipeError, match=r"calibrate needs held-out .*data\.validation_size"):
        load_recipe(str(path), ["publish.calibrate=true", "data.validation_size=0"])


def test_a_later_override_wins(path: Path) -> None:
    assert load_recipe(str(path), ["seed=1", "seed=2"]).seed == 2


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epochz=3", "tiny.yaml: unknown field 'epochz'; did you mean 'epochs'\\?"),
        ("optimizer.momentun=3", r"optimizer: unknown field 'momentun'; did you mean 'momentum'\?"),
        ("optimizer.rate=3", r"optimizer: unknown field 'rate'; accepted: .*lr"),
        ("task.transforms=[{kind: crop, pading: 1}]", r"task\.transforms\.0: .*'padding'"),
        ("optimizer.kind=lion", "optimizer: unknown kind 'lion'; accepted: sgd, adagrad"),
        ("optimizer.kind=adm", r"optimizer: unknown kind 'adm'; did you mean 'adam'\?"),
        ("epochs=0", "epochs: must be greater than 0, got 0"),
        ("network.depth=50", "network: .*20, 32, 44, 56, 110, not 50"),
        ("seed", "--set takes a.b=c, not 'seed'"),
        ("=3", "--set takes a.b=c, not '=3'"),
        ("epochs.more=3", "--set epochs.more=3: 'epochs' is a value, not a mapping of fields"),
        ("data={", "--set data={: '{' is not YAML"),
    ],
)
def test_a_wrong_override_is_named(path: Path, override: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe(str(path), [override])


@pytest.mark.parametrize("field", ["data", "network", "optimizer", "epochs", "publish"])
def test_a_missing_field_is_named(path: Path, field: str) -> None:
    fields = content()
    del fields[field]
    path.write_text(yaml.safe_dump(fields))
    with pytest.raises(RecipeError, match=f"{field}: is missing"):
        load_recipe(str(path))


def test_every_problem_is_named_at_once(path: Path) -> None:
    with pytest.raises(RecipeError, match=r"epochs: .*; batch_size: "):
        load_recipe(str(path), ["epochs=0", "batch_size=0"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"epochs: [1", "tiny.yaml is not YAML"),
        (b"\xff\xfe\x00", "tiny.yaml is not YAML"),
        (b"", "tiny.yaml is not a mapping of recipe fields"),
        (b"- 1", "tiny.yaml is not a mapping of recipe fields"),
    ],
)
def test_a_file_that_is_no_recipe_is_named(path: Path, text: bytes, message: str) -> None:
    path.write_bytes(text)
    with pytest.raises(RecipeError, match=message):
        load_recipe(str(path))


def test_an_unknown_recipe_is_rejected_with_the_nearest_name() -> None:
    with pytest.raises(RecipeError, match=r"no recipe 'resnet', .*; did you mean 'resnet-"):
        load_recipe("resnet")


def test_stopping_early_needs_validation_images(path: Path) -> None:
    with pytest.raises(RecipeError, match=r"early_stop needs .*set data\.validation_size"):
        load_recipe(str(path), ["early_stop.patience=2", "data.validation_size=0"])


@pytest.mark.parametrize("changes", [{}, DENOISING])
def test_recipes_cannot_be_changed_once_loaded(changes: dict[str, Any]) -> None:
    recipe = Recipe.model_validate(content(changes))
    with pytest.raises(ValueError, match="frozen"):
        recipe.epochs = 3  # type: ignore[misc]


def test_loading_a_recipe_imports_no_library_for_publishing_or_plots() -> None:
    code = (
        "import sys; from training.config.recipe import load_recipe; load_recipe('resnet-digits'); "
        "print(*{'matplotlib', 'onnx', 'onnxruntime', 'torchmetrics'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
