"""Generated images above their nearest training images."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.metrics.feature_extractor import MobileNetFeatures
from training.metrics.generative import MAX_COMPARED_IMAGES, nearest_training_images
from training.plots.restoration import draw_image_rows


def draw_neighbours(generated_NCHW: Tensor, training_NCHW: Tensor, path: Path) -> None:
    """Draw generated uint8 images above the nearest training images by pixels and by features.

    Raises:
        DataError: the weights that compute the features are missing.
    """
    extractor = MobileNetFeatures()
    # The features of these images have been cached by the published comparison.
    candidates_NCHW = training_NCHW[: 2 * MAX_COMPARED_IMAGES]
    features = torch.cdist(
        extractor(generated_NCHW), extractor(candidates_NCHW, cache=True)
    ).argmin(1)
    rows = {
        "generated": generated_NCHW,
        "by pixels": training_NCHW[nearest_training_images(generated_NCHW, training_NCHW).indices],
        "by features": candidates_NCHW[features],
    }
    draw_image_rows(
        [(name, np.asarray(images.permute(0, 2, 3, 1))) for name, images in rows.items()], path
    )
