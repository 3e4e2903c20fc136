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
from torchvision.models import MobileNet_V2_Weights

from models_store.manifest import DataSource, Metric
from models_store.tasks import Classification, FixedImage
from models_store.verify import GraphFn
from training.plots.images import draw_predictions
from training.publish import sample_inputs
from training.publish.onnx.graphs import ClassifierGraph
from training.publish.spec import ExportSpec, GraphSpec

_TOP_CLASSES = 5
_CATEGORIES = tuple(MobileNet_V2_Weights.IMAGENET1K_V1.meta["categories"])


@dataclass(frozen=True)
class Preprocessing:
    """The preprocessing that weights expect."""

    mean: list[float]
    std: list[float]
    """Per channel, of images in 0–1."""
    shorter_side: int
    """Length that an image's shorter side is resized to."""
    crop_side: int
    """Height and width of the center crop that the network gets."""
    resize: Literal["crop", "stretch"] = "crop"
    """`stretch` resizes both sides to the length of `shorter_side`."""


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


def export_spec(
    network: nn.Module,
    preprocessing: Preprocessing,
    source: DataSource,
    metrics: tuple[Metric, ...],
) -> ExportSpec:
    """Describe the graph, published metrics, and predictions on two photographs as the preview.

    The service resizes and crops to `shorter_side` × `shorter_side`, and the graph crops further,
    so that the network gets the same crop as in torchvision's evaluation.
    """
    side = preprocessing.shorter_side
    classifier = ClassifierGraph(network, preprocessing.mean, preprocessing.std)
    graph = GraphSpec(
        role="model",
        module=CenterCrop(classifier, side, preprocessing.crop_side),
        outputs=("probabilities",),
        cases=(
            {"images": sample_inputs.photo_crops(2, side, side, "RGB")},
            {"images": sample_inputs.random_bytes((1, side, side, 3))},
        ),
    )
    return ExportSpec(
        task=Classification(
            image=FixedImage(width=side, height=side, mode="RGB", resize=preprocessing.resize),
            labels=_CATEGORIES,
        ),
        graphs=(graph,),
        data=(source,),
        report=lambda runs, preview: _report(runs["model"], preprocessing, metrics, preview),
    )


def _report(
    run: GraphFn, preprocessing: Preprocessing, metrics: tuple[Metric, ...], preview: Path
) -> tuple[Metric, ...]:
    fit = ImageOps.fit if preprocessing.resize == "crop" else Image.Image.resize
    predictions = []
    for name in ("china.jpg", "flower.jpg"):
        photograph = Image.fromarray(load_sample_image(name))
        crop = fit(photograph, (preprocessing.shorter_side,) * 2, Image.Resampling.BICUBIC)
        probabilities_K = run({"images": np.asarray(crop)[np.newaxis]})["probabilities"][0]
        top_classes = np.argsort(-probabilities_K)[:_TOP_CLASSES]
        shares = [(_CATEGORIES[k], float(probabilities_K[k])) for k in top_classes]
        predictions.append((np.asarray(crop), shares))
    draw_predictions(predictions, preview)
    return metrics
