"""Publish several trained classifiers as one model that averages their probabilities."""

from collections.abc import Sequence
from pathlib import Path

from models_store.manifest import Provenance
from training.config.recipe import ModelCard, Recipe, load_run_recipe, validate_recipe
from training.engine.trainer import FitResult, restore
from training.errors import RecipeError
from training.publish import provenance
from training.publish.publisher import publish_model
from training.publish.tasks.ensemble import ensemble_export_spec
from training.tasks.classification import Classification


def publish_ensemble(runs: Sequence[Path], name: str, store: Path) -> Path:
    """Publish the classifiers of `runs` as one model, with metrics of what that gains.

    Raises:
        RecipeError: when a run trained no classifier, the runs do not fit together, or `name` is
            not valid.
    """
    recipes = [load_run_recipe(run) for run in runs]
    for recipe in recipes:
        validate_recipe({**recipe.model_dump(by_alias=True), "name": name}, "ensemble")
    members = [restore(recipe, run) for recipe, run in zip(recipes, runs, strict=True)]
    classifiers = [_require_classification(m, r) for m, r in zip(members, runs, strict=True)]
    spec = ensemble_export_spec(list(zip(classifiers, recipes, strict=True)))
    return publish_model(
        name, _model_card(recipes), spec, _provenance(recipes, members, name), store
    )


def _require_classification(member: FitResult, run: Path) -> Classification:
    if not isinstance(member.task, Classification):
        raise RecipeError(f"{run} trained no classifier: an ensemble averages classifiers")
    return member.task


def _model_card(recipes: Sequence[Recipe]) -> ModelCard:
    first = recipes[0].publish
    kinds = " and ".join(dict.fromkeys(recipe.name for recipe in recipes))
    return first.model_copy(
        update={
            "summary": f"Averages the probabilities of {len(recipes)} networks ({kinds}).",
            "intended_use": (
                f"Where higher accuracy is worth {len(recipes)} times the work of one network."
            ),
        }
    )


def _provenance(recipes: Sequence[Recipe], members: Sequence[FitResult], name: str) -> Provenance:
    commands = [provenance.fit_command(recipe) for recipe in recipes]
    folders = " ".join(f"runs/{index}" for index in range(len(recipes)))
    return Provenance(
        recipe={"members": [provenance.public_recipe(r, exclude={"publish"}) for r in recipes]},
        command="; ".join(
            [
                *(f"{command} --run-dir runs/{i}" for i, command in enumerate(commands)),
                f"deepshelf train ensemble {folders} --name {name}",
            ]
        ),
        seed=recipes[0].seed,
        **members[0].environment.model_dump(),
        duration_s=round(sum(member.seconds for member in members), 1),
        epochs=sum(len(member.log) for member in members) or None,
    )
