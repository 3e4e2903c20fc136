"""Networks by name, with the preprocessing that their weights were trained with."""

import sys
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torchvision.models import Inception_V3_Weights
from torchvision.transforms.functional import center_crop

from training.errors import RecipeError
from training.publish.tasks.imagenet import CenterCrop
from training.workflows.publish_imagenet import build_classifier, remove_auxiliary


@pytest.mark.parametrize(
    ("network", "name", "crop_side", "shorter_side"),
    [  # the pages of torchvision.models state the sizes
        ("resnet18", "resnet18-imagenet", 224, 256),
        ("mobilenet_v3_large", "mobilenet-v3-imagenet", 224, 232),
        ("efficientnet_b1", "efficientnet-b1-imagenet", 240, 255),
        ("inception_v3", "inception-v3-imagenet", 299, 342),
        ("vit_b_32", "vit-b-32-imagenet", 224, 256),
    ],
)
def test_a_network_brings_the_preprocessing_of_its_weights(
    network: str, name: str, crop_side: int, shorter_side: int
) -> None:
    built = build_classifier(network)
    assert built.published_name == name
    assert built.preprocessing.crop_side == crop_side
    assert built.preprocessing.shorter_side == shorter_side


def test_inception_is_built_as_torchvision_builds_it_for_its_weights() -> None:
    built = build_classifier("inception_v3")
    assert getattr(built.module, "transform_input")  # noqa: B009  # typed as a tensor
    assert built.weights is Inception_V3_Weights.IMAGENET1K_V1
    remove_auxiliary("inception_v3", built.module)
    assert sum(p.numel() for p in built.module.parameters()) == 23_834_568
    with torch.inference_mode():
        assert built.module.eval()(torch.zeros(1, 3, 299, 299)).shape == (1, 1000)


@pytest.mark.parametrize(("side", "crop_side"), [(342, 299), (256, 224), (384, 384), (341, 299)])
def test_the_crop_is_that_of_torchvision(side: int, crop_side: int) -> None:
    images_BHWC = torch.arange(side * side).view(1, side, side, 1)
    cropped = CenterCrop(nn.Identity(), side, crop_side)(images_BHWC)
    expected = center_crop(images_BHWC.permute(0, 3, 1, 2), [crop_side])
    assert torch.equal(cropped.permute(0, 3, 1, 2), expected)


def test_unknown_network_error_names_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"no network 'resnet19' in torchvision; did you mean"):
        build_classifier("resnet19")


@pytest.mark.skipif(find_spec("timm") is not None, reason="timm is installed")
def test_a_network_of_timm_names_the_package() -> None:
    with pytest.raises(RecipeError, match="timm/convnext_atto needs a package: pip install timm"):
        build_classifier("timm/convnext_atto")


@pytest.mark.parametrize(("mode", "resize"), [("squash", "stretch"), ("center", "crop")])
def test_a_network_of_timm_brings_its_size_and_how_images_are_resized(
    monkeypatch: pytest.MonkeyPatch, mode: str, resize: str
) -> None:
    module = nn.Linear(1, 1)
    module.num_classes = 1000  # type: ignore[assignment]  # as timm's networks have
    config = {
        "input_size": (3, 96, 96), "crop_pct": 0.96, "crop_mode": mode, "mean": (0.5,), "std": (1,)
    }  # fmt: skip
    timm = SimpleNamespace(
        is_model=lambda _: True,
        create_model=lambda _: module,
        data=SimpleNamespace(resolve_model_data_config=lambda _: config),
    )
    monkeypatch.setitem(sys.modules, "timm", timm)
    built = build_classifier("timm/eva02_tiny")
    preprocessing = built.preprocessing
    assert (preprocessing.crop_side, preprocessing.shorter_side) == (96, 100)
    assert preprocessing.resize == resize
