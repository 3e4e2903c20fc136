"""Publish a classifier pretrained on ImageNet.

Shapes: B batch, H height, W width, C channels, K classes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_image
from torch import Tensor, nn

from models_store.manifest import DataSource, Metric
from models_store.tasks import Classification, FixedImage
from models_store.verify import GraphFn
from training.plots.predictions import draw_predictions
from training.publish import sample_inputs
from training.publish.onnx.graphs import ClassifierGraph
from training.publish.spec import ExportSpec, GraphSpec

_TOP_CLASSES = 5


@dataclass(frozen=True)
class ImagenetClassifier:
    """A network with its weights and their description."""

    network: nn.Module
    labels: tuple[str, ...]
    mean: list[float]
    std: list[float]
    """Per channel, of images in 0–1."""
    shorter_side: int
    """Length that an image's shorter side is resized to."""
    crop_side: int
    """Height and width of the center crop that the network gets."""
    resize: Literal["crop", "stretch"]
    """`stretch` resizes both sides to the length of `shorter_side`."""
    source: DataSource
    metrics: tuple[Metric, ...]


class CenterCrop(nn.Module):
    """Map the center of images uint8 (B, H, W, C) to probabilities (B, K)."""

    def __init__(self, classifier: nn.Module, side: int, crop_side: int) -> None:
        super().__init__()
        self.classifier = classifier
        # As torchvision's center_crop, which rounds half an odd margin to an even number.
        self.low = round((side - crop_side) / 2)
        self.high = self.low + crop_side

    def forward(self, images_BHWC: Tensor) -> Tensor:
        low, high = self.low, self.high
        probabilities_BK: Tensor = self.classifier(images_BHWC[:, low:high, low:high])
        return probabilities_BK


def export_spec(model: ImagenetClassifier) -> ExportSpec:
    """Describe the graph, published metrics, and predictions on two photographs as the preview.

    The service resizes and crops to `shorter_side` × `shorter_side`, and the graph crops further,
    so that the network gets the same crop as in torchvision's evaluation.
    """
    side = model.shorter_side
    graph = GraphSpec(
        role="model",
        module=CenterCrop(
            ClassifierGraph(model.network, model.mean, model.std), side, model.crop_side
        ),
        outputs=("probabilities",),
        cases=(
            {"images": sample_inputs.photo_crops(2, side, side, "RGB")},
            {"images": sample_inputs.random_bytes((1, side, side, 3))},
        ),
    )
    return ExportSpec(
        task=Classification(
            image=FixedImage(width=side, height=side, mode="RGB", resize=model.resize),
            labels=model.labels,
        ),
        graphs=(graph,),
        data=(model.source,),
        report=lambda runs, preview: _report(runs["model"], model, preview),
    )


def _report(run: GraphFn, model: ImagenetClassifier, preview: Path) -> tuple[Metric, ...]:
    predictions = []
    for name in ("china.jpg", "flower.jpg"):
        photograph = Image.fromarray(load_sample_image(name))
        fit = ImageOps.fit if model.resize == "crop" else Image.Image.resize
        crop = fit(photograph, (model.shorter_side,) * 2, Image.Resampling.BICUBIC)
        probabilities_K = np.asarray(
            run({"images": np.asarray(crop)[np.newaxis]})["probabilities"]
        )[0]
        top_classes = np.argsort(-probabilities_K)[:_TOP_CLASSES]
        predictions.append(
            (np.asarray(crop), [(model.labels[k], float(probabilities_K[k])) for k in top_classes])
        )
    draw_predictions(predictions, preview)
    return model.metrics
