"""Publish a trained or fine-tuned classifier."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torchmetrics.functional.classification import (
    multiclass_calibration_error,
    multiclass_confusion_matrix,
)

from models_store.manifest import Metric
from models_store.tasks import Classification as ServedClassification
from models_store.tasks import FixedImage
from models_store.verify import GraphFn
from training.config.recipe import Recipe
from training.datasets.base import ImageData
from training.errors import DataError
from training.metrics.calibration import fit_temperature
from training.plots.classifiers import draw_confusion
from training.pretrained.mobilenet import weights_data_source
from training.publish import sample_inputs
from training.publish.onnx.graphs import ClassifierGraph
from training.publish.spec import ExportSpec, GraphFns, GraphSpec, export_spec, run_in_batches
from training.tasks.classification import Classification, Transfer

BATCH = 250


@export_spec.register
def classification_spec(task: Classification, recipe: Recipe) -> ExportSpec:
    """Describe the graph, metrics on the test set, and a confusion matrix as the preview."""
    data = task.data
    height, width = data.size_HW
    photos = sample_inputs.photo_crops(3, height, width, data.mode)
    noise = sample_inputs.random_bytes((1, height, width, data.channels))
    temperature = _temperature(task) if recipe.publish.calibrate else 1.0
    graph = GraphSpec(
        role="model",
        module=ClassifierGraph(task.network_to_publish(), task.mean, task.std, temperature),
        outputs=("probabilities",),
        cases=({"images": photos}, {"images": noise}),
    )
    return ExportSpec(
        task=ServedClassification(
            image=FixedImage(
                width=width,
                height=height,
                mode=data.mode,
                resize=getattr(recipe.data, "resize", "crop"),
            ),
            labels=data.labels,
        ),
        graphs=(graph,),
        data=(data.to_data_source(),),
        report=lambda runs, preview: _report(runs["model"], data, preview, temperature),
    )


def _temperature(task: Classification) -> float:
    """Return the temperature fitted on the held-out training images."""
    network = task.network_to_publish().eval()
    with torch.no_grad():  # not inference mode: fitting needs gradients through the logits
        logits_NK, labels_N = task.predict(network, task.split("validation"))
    return fit_temperature(logits_NK, labels_N)


def temperature_note(temperature: float, data: ImageData) -> str:
    """Return the model card's note on the graph's temperature; empty without one."""
    if temperature == 1 or data.validation is None:
        return ""
    held_out = f"{len(data.validation):,} held-out training images"
    return f"; temperature {temperature:.3f}, fitted on {held_out}"


def _report(run: GraphFn, data: ImageData, preview: Path, temperature: float) -> tuple[Metric, ...]:
    images_NHWC = data.test.images_NCHW.permute(0, 2, 3, 1)
    probabilities_NK = run_in_batches(run, "images", images_NHWC)["probabilities"]
    labels_N, classes = data.test.labels_N, len(data.labels)
    matrix = multiclass_confusion_matrix(probabilities_NK, labels_N, classes)
    accuracy = int(matrix.diagonal().sum()) / int(matrix.sum())
    draw_confusion(
        matrix.numpy(), data.labels, f"{data.title}, test: {accuracy:.2%} right", preview
    )
    likelihoods = probabilities_NK[torch.arange(len(labels_N)), labels_N].clamp_min(1e-12)
    nll = -float(likelihoods.log().mean())
    ece = float(multiclass_calibration_error(probabilities_NK, labels_N, classes, n_bins=15))
    scaled = temperature_note(temperature, data)
    metric = partial(Metric, dataset=data.title, split="test", n=len(labels_N))
    note = "top-1, one view, no test-time augmentation"
    return (
        metric(name="accuracy", value=accuracy, note=note),
        metric(name="nll", value=nll, unit="nats", note=f"negative log likelihood{scaled}"),
        metric(name="ece", value=ece, note=f"expected calibration error, 15 bins{scaled}"),
    )


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
