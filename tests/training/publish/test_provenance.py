import json
import shlex
from pathlib import Path

import pytest
from PIL import Image

from tests.training.tiny import DENOISING
from tests.training.tiny import recipe as tiny
from training.config.recipe import Recipe, load_recipe
from training.publish import provenance

BUILT_IN = "resnet-cifar10"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a data set in a home folder."""
    root = tmp_path / "home" / "maja" / "insects"
    for label in ("ants", "bees"):
        (root / label).mkdir(parents=True)
        for index in range(4):
            Image.new("RGB", (8, 8), (index * 60, 0, 0)).save(root / label / f"{index}.png")
    return root


def _own_data(photos: Path, **changes: object) -> Recipe:
    return tiny(data={"kind": "folder", "path": str(photos), "size": [8, 8]}, **changes)


def test_a_recipe_is_published_without_where_its_data_lies(photos: Path) -> None:
    recipe = _own_data(photos)
    shown = provenance.public_recipe(recipe)
    assert shown["data"]["path"] == "insects"
    for text in (json.dumps(shown), recipe.data.load().to_data_source().model_dump_json()):
        assert "insects" in text
        assert str(photos.parent) not in text
        assert "maja" not in text
    # The run itself must find its data again.
    assert json.loads(recipe.model_dump_json())["data"]["path"] == str(photos)


def test_command_does_not_reveal_the_data_folder(photos: Path) -> None:
    for name in (BUILT_IN, "tiny"):
        command = provenance.fit_command(_own_data(photos, name=name))
        assert "maja" not in command
    assert "insects" in provenance.fit_command(_own_data(photos, name=BUILT_IN))


def test_excluded_fields_are_left_out() -> None:
    recipe = load_recipe(BUILT_IN)
    assert "publish" in provenance.public_recipe(recipe)
    assert "publish" not in provenance.public_recipe(recipe, exclude={"publish"})


def test_own_recipe_is_named_as_a_file() -> None:
    assert provenance.fit_command(tiny()) == "deepshelf train fit tiny.yaml"


def test_an_unchanged_recipe_needs_no_settings() -> None:
    assert provenance.fit_command(load_recipe(BUILT_IN)) == f"deepshelf train fit {BUILT_IN}"


def test_an_equal_setting_is_no_difference() -> None:
    assert (
        provenance.fit_command(load_recipe(BUILT_IN, ["seed=0"]))
        == f"deepshelf train fit {BUILT_IN}"
    )


def test_simple_settings_stay_simple() -> None:
    overrides = ["data.copy=packed", "epochs=3", "precision=32-true", "early_stop=null"]
    command = provenance.fit_command(load_recipe(BUILT_IN, overrides))
    assert command == (
        f"deepshelf train fit {BUILT_IN} "
        "--set epochs=3 --set precision=32-true --set data.copy=packed"
    )


_CHANGES = [
    ["optimizer.lr=1e-5", "clip_norm=0.5", "ema_decay=null", "channels_last=false"],
    ["task.transforms=[]", "task.label_smoothing=0.0"],
    ["early_stop.patience=2", "data.validation_size=100"],
    # Of another kind, with other fields.
    ["data={kind: digits, validation_size: 7}"],
    ["optimizer={kind: adamw, lr: 0.001}", "schedule={kind: cosine, warmup_epochs: 0.5}"],
    ["initializer={kind: constant, value: 0.25}"],
    # Strings that YAML reads as something else, or a shell as several words.
    ["publish.summary='null'"],
    ["publish.summary='1e3'"],
    ["publish.summary='2020-01-01'"],
    ["publish.summary='yes'"],
    ["publish.summary=''"],
    ["publish.summary='a: b # c'"],
    ['publish.summary="it\'s $HOME; `rm` σ = 0.5\\nnext"'],
]


@pytest.mark.parametrize("overrides", _CHANGES, ids=lambda overrides: overrides[0])
def test_the_command_reads_back_as_the_same_recipe(overrides: list[str]) -> None:
    recipe = load_recipe(BUILT_IN, overrides)
    assert recipe != load_recipe(BUILT_IN)
    words = shlex.split(provenance.fit_command(recipe))
    assert words[:4] == ["deepshelf", "train", "fit", BUILT_IN]
    assert set(words[4::2]) == {"--set"}
    assert load_recipe(BUILT_IN, words[5::2]) == recipe


def test_another_task_under_a_built_in_name_reads_back_too() -> None:
    recipe = tiny(**DENOISING, name=BUILT_IN)
    words = shlex.split(provenance.fit_command(recipe))
    assert load_recipe(BUILT_IN, words[5::2]) == recipe
