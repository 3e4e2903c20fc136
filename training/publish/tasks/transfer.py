"""Publish a fine-tuned classifier: as a classifier, with the source of its pretrained weights."""

from dataclasses import replace
from pathlib import Path

from models_store.manifest import Metric
from training.config.recipe import Recipe
from training.errors import DataError
from training.pretrained.mobilenet import weights_data_source
from training.publish.spec import ExportSpec, GraphFns, export_spec
from training.publish.tasks.classification import classification_spec
from training.tasks.transfer import Transfer


@export_spec.register
def transfer_spec(task: Transfer, recipe: Recipe) -> ExportSpec:
    """Describe the classifier; publishing fails without held-out photographs to measure it on."""
    spec = classification_spec(task, recipe)
    pretrained = weights_data_source(task.pretrained_config)
    return replace(
        spec,
        data=(*spec.data, *([pretrained] if pretrained else [])),
        report=spec.report if len(task.data.test) else _reject_empty_test_split,
    )


def _reject_empty_test_split(_runs: GraphFns, _preview: Path) -> tuple[Metric, ...]:
    raise DataError(
        "this run was trained on all photographs, so there is nothing to measure it on: "
        "`deepshelf train transfer` cross-validates and publishes; or set data.held_out"
    )
