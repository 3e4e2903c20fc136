"""Recipes: everything that decides what a training run computes, validated before data is read."""

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    Field,
    PositiveFloat,
    PositiveInt,
    SerializationInfo,
    ValidationError,
    field_serializer,
    model_validator,
)

from models_store.base import FrozenModel
from training.datasets import DataConfig
from training.datasets.path_redaction import redact_cached_path
from training.errors import RecipeError
from training.networks import NetworkConfig
from training.optim.initializers import Initializer
from training.optim.optimizers import Optimizer
from training.optim.schedules import Schedule
from training.tasks import TaskConfig

__all__ = [
    "EarlyStopping",
    "ModelCard",
    "PrecisionOption",
    "Recipe",
    "ResolvedPrecision",
    "built_in_recipes",
    "load_recipe",
    "validate_recipe",
]


_COMPATIBLE_KINDS = (
    ({"language"}, {"char_rnn"}, {"corpus"}),
    ({"handwriting", "strokes"}, {"handwriting", "stroke-reader"}, {"pendigits", "stroke-digits"}),
    ({"photo-compression"}, {"photo-codec"}, {"scenes"}),
    ({"photo-denoising"}, {"photo-denoiser"}, {"album"}),
    ({"imitation"}, {"controller"}, {"demonstrations"}),
)
"""Tasks, networks and data that make sense together alone; all others are of pictures."""


ResolvedPrecision = Literal["32-true", "bf16-mixed", "16-mixed"]
"""Number formats, in Fabric's words."""

PrecisionOption = Literal["auto"] | ResolvedPrecision


class EarlyStopping(FrozenModel):
    """Stop when the monitored score has not improved for `patience` evaluations; keep the best."""

    patience: PositiveInt


class ModelCard(FrozenModel):
    """What the published model says of itself, beside what was measured."""

    summary: str
    intended_use: str
    limits: str
    licence: str = "Apache-2.0 (weights); the data's own terms apply to the data"
    weights: Literal["average", "last"] = "average"
    """Which ones: the moving average, where the recipe has one, or those of the last step. A
    schedule that ends at zero leaves the average behind: it still holds weights of high rates."""
    storage: Literal["float32", "float16"] = "float32"
    """How weights lie in the published graph, which computes in float32 either way: float16 takes
    half the bytes, and the figures on the card are measured with it."""
    calibrate: bool = False
    """Divide a classifier's logits by a temperature fitted on the held-out training pictures (Guo
    et al. 2017, arXiv 1706.04599, section 4.2)."""


class Recipe(FrozenModel):
    """A training run. Field by field it travels into the manifest of what it produces."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,62}[a-z0-9]$")]
    data: DataConfig
    network: NetworkConfig
    task: TaskConfig
    optimizer: Optimizer
    schedule: Schedule
    initializer: Initializer
    start_from: Path | None = None
    """A file of weights (`python -m training save`) of the same network or a smaller one, which
    this one begins as."""
    epochs: PositiveInt
    batch_size: PositiveInt
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    precision: PrecisionOption = "32-true"
    """`auto`: bf16-mixed where the machine multiplies bfloat16, which halves the time, else
    32-true. A run records which it was."""
    channels_last: bool = False
    clip_norm: PositiveFloat | None = None
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = None
    early_stop: EarlyStopping | None = None
    evaluate_every: PositiveInt = 1
    """Epochs between evaluations; the last epoch is always evaluated."""
    publish: ModelCard

    @field_serializer("start_from")
    def _serialize_start_from(self, path: Path | None, info: SerializationInfo) -> str | None:
        return None if path is None else redact_cached_path(path, info)

    @model_validator(mode="after")
    def _early_stop_needs_validation(self) -> Self:
        # Stopping on the test set would choose the weights by it: the figure would be worthless.
        if self.early_stop and not _has_validation_split(self.data):
            raise ValueError("early_stop needs pictures to decide by: set data.validation_size")
        return self

    @model_validator(mode="after")
    def _calibration_needs_validation(self) -> Self:
        # Fitted on the test set, the figures measured there would flatter themselves.
        if self.publish.calibrate and not _has_validation_split(self.data):
            raise ValueError("publish.calibrate needs held-out pictures: set data.validation_size")
        return self

    @model_validator(mode="after")
    def _check_compatible_kinds(self) -> Self:
        for tasks, networks, data in _COMPATIBLE_KINDS:
            matches = (
                self.task.kind in tasks,
                self.network.kind in networks,
                self.data.kind in data,
            )
            if any(matches) and not all(matches):
                combination = ", ".join(
                    f"{field_name} {' or '.join(sorted(kinds))}"
                    for field_name, kinds in (
                        ("task", tasks),
                        ("network", networks),
                        ("data", data),
                    )
                )
                raise ValueError(
                    f"{combination} belong together, not task {self.task.kind}, "
                    f"network {self.network.kind}, data {self.data.kind}"
                )
        is_handwriting = (self.task.kind == "handwriting", self.network.kind == "handwriting")
        if any(is_handwriting) and not all(is_handwriting):
            raise ValueError("the task handwriting and the network handwriting belong together")
        return self


def _has_validation_split(data: DataConfig) -> bool:
    """Whether there is a validation split: a number of pictures, or a part of a text."""
    return bool(getattr(data, "validation_size", getattr(data, "validation_fraction", 0)))


def built_in_recipes() -> dict[str, Path]:
    """The recipes that come with the package, by name."""
    folder = Path(str(resources.files("training") / "recipes"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_recipe(recipe: str, overrides: Sequence[str] = ()) -> Recipe:
    """A built-in recipe by name, or any by path, with `a.b=c` overrides (c in YAML).

    Raises:
        RecipeError: naming the file, the field and what it accepts.
    """
    path = built_in_recipes().get(recipe, Path(recipe))
    if not path.is_file():
        known = ", ".join(built_in_recipes())
        raise RecipeError(f"no recipe {recipe!r}: neither a file nor one of {known}")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise RecipeError(f"{path} holds no mapping of recipe fields")
    for override in overrides:
        _apply_override(content, override)
    return validate_recipe(content, path.name)


def validate_recipe(content: Mapping[str, Any], source: str) -> Recipe:
    """The recipe that `content` is.

    Raises:
        RecipeError: naming `source`, and every field that is wrong.
    """
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise RecipeError(f"{source}: {_format_errors(error)}") from error


def _apply_override(content: dict[str, Any], override: str) -> None:
    keys, separator, value = override.partition("=")
    if not separator or not keys:
        raise RecipeError(f"--set takes a.b=c, not {override!r}")
    *parents, last = keys.split(".")
    target = content
    for key in parents:
        target = target.setdefault(key, {})
        if not isinstance(target, dict):
            raise RecipeError(f"--set {override}: {key!r} is a value, not a group of fields")
    try:
        target[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise RecipeError(f"--set {override}: {value!r} is not YAML: {error}") from error


def _format_errors(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'recipe'}: {problem['msg']}"
        for problem in error.errors()
    )
