from pathlib import Path

import pytest
import torch

import models_store
from tests.fakes.image_models import MeanColorClassifier, publish_image_model
from training.errors import DataError
from training.metrics.feature_extractor import CLASSIFIER, ClassifierFeatures


@pytest.fixture(scope="module")
def features() -> ClassifierFeatures:
    return ClassifierFeatures(Path(models_store.__file__).parent)


def _images() -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randint(256, (3, 3, 64, 64), generator=random, dtype=torch.uint8)


def test_an_images_features_are_those_of_its_four_quarters(features: ClassifierFeatures) -> None:
    images = _images()
    parts = features(images).chunk(4, 1)
    for quarter, part in enumerate(parts):
        top, left = 32 * (quarter // 2), 32 * (quarter % 2)
        alone = images[:, :, top : top + 32, left : left + 32].tile(1, 1, 2, 2)
        for same in features(alone).chunk(4, 1):
            torch.testing.assert_close(same, part)
    assert not torch.allclose(parts[0], parts[1])


def test_grey_images_are_converted_to_rgb(features: ClassifierFeatures) -> None:
    gray = _images()[:, :1]
    torch.testing.assert_close(features(gray), features(gray.expand(-1, 3, -1, -1)))


def test_a_store_without_the_classifier_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"holds no {CLASSIFIER}"):
        ClassifierFeatures(tmp_path)
    publish_image_model(tmp_path, CLASSIFIER, MeanColorClassifier())
    with pytest.raises(DataError, match="has no convolution"):
        ClassifierFeatures(tmp_path)
