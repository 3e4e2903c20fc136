from pathlib import Path

import pytest
from PIL import Image

from tests.repository import ROOT
from training.errors import DataError
from training.plots.filters import draw_filters, load_published_layers

STORE = ROOT / "models_store"


def test_dead_filters_of_a_published_model_are_counted(tmp_path: Path) -> None:
    folder, layers = load_published_layers(STORE, "mobilenet-hymenoptera", None)
    path = tmp_path / "filters.png"
    counted = draw_filters(folder, layers, "features.0.0", path)
    # TensorFlow's weights, from which it was carried over, have eight that do nothing.
    assert counted == "mobilenet-hymenoptera 2, features.0.0: 32 filters of 3×3×3, 8 dead"
    with Image.open(path) as image:
        assert min(image.size) > 400


def test_an_unknown_layer_is_rejected_with_the_existing_names(tmp_path: Path) -> None:
    folder, layers = load_published_layers(STORE, "charnn-tiny", None)
    with pytest.raises(DataError, match="no layer 'conv'; layers: W0, R0, head_weight"):
        draw_filters(folder, layers, "conv", tmp_path / "filters.png")
