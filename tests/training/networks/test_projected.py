import pytest
import torch
from torch import Tensor

from training.networks.mobilenet import MobileNet
from training.networks.projected import ProjectedDiscriminator

_SMALL = {"weights": "random", "side": 32, "mixing": 4, "head": 6}


def _discriminator(**changes: object) -> ProjectedDiscriminator:
    torch.manual_seed(0)
    return ProjectedDiscriminator.Config.model_validate({**_SMALL, **changes}).build()


def _images(count: int = 2) -> Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize(
    ("side", "maps", "logits"),
    [(96, [24, 12, 6, 3], 4 * 3 * 3), (64, [16, 8, 4, 2], 4 * 2 * 2), (32, [8, 4, 2, 1], 13)],
)
def test_features_have_strides_4_to_32_with_logits_for_each_scale(
    side: int, maps: list[int], logits: int
) -> None:
    network = _discriminator(side=side)
    with torch.inference_mode():
        views = network.project(_images())
        assert [tuple(view.shape) for view in views] == [
            (2, width, length, length) for width, length in zip([4, 4, 8, 16], maps, strict=True)
        ]
        assert network.logits(*views).shape == (2, logits)


def test_only_heads_are_trained_and_each_parameter_of_theirs_gets_a_gradient() -> None:
    network = _discriminator()
    images = _images().requires_grad_()
    network(images).square().sum().backward()
    names = dict(network.named_parameters())
    assert {name.split(".")[0] for name in names} == {"heads"}
    assert [name for name, p in names.items() if p.grad is None or not p.grad.any()] == []
    assert images.grad is not None
    assert images.grad.any()


def test_making_everything_trainable_leaves_the_projection_frozen() -> None:
    network = _discriminator().requires_grad_(True)
    assert not any(buffer.requires_grad for buffer in network.projection.buffers())
    assert not any(view.requires_grad for view in network.project(_images()))


def test_the_projection_is_that_of_the_mobilenet_it_is_given() -> None:
    network = _discriminator(padding="tf-same", scaling="symmetric")
    torch.manual_seed(5)
    mobilenet = MobileNet.Config(classes=1, padding="tf-same", weights="random").build()
    with torch.no_grad():
        for module in mobilenet.features.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean = torch.randn_like(module.bias) / 10
    mobilenet.eval()
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    with torch.inference_mode():
        expected = mobilenet.features[:18](images)  # type: ignore[index]
        network.projection.load_mobilenet(mobilenet)
        x = images
        for stage in network.projection.stages:
            x = stage(x)
    torch.testing.assert_close(x, expected, rtol=1e-3, atol=1e-5)


def test_a_checkpoint_holds_the_mixing_but_not_the_pretrained_weights() -> None:
    state = _discriminator().state_dict()
    assert {name.split(".")[0] for name in state} == {"projection", "heads"}
    mixing = [name for name in state if name.startswith("projection.")]
    assert len(mixing) == 8
    assert all("mixing" in name for name in mixing)


def test_logit_of_an_image_is_independent_of_its_batch() -> None:
    network = _discriminator().eval()
    with torch.inference_mode():
        together = network(_images(4))
        torch.testing.assert_close(network(_images(4)[:1]), together[:1])


def test_grey_image_gets_the_logits_of_its_rgb_copy() -> None:
    network, gray = _discriminator().eval(), _images()[:, :1]
    with torch.inference_mode():
        torch.testing.assert_close(network(gray), network(gray.expand(-1, 3, -1, -1)))


def test_a_coarser_map_changes_every_finer_one() -> None:
    projection = _discriminator().projection
    maps = [torch.randn(1, c, s, s) for c, s in ((24, 8), (32, 4), (96, 2), (320, 1))]
    before = list(projection._mixed(maps))
    after = list(projection._mixed([*maps[:3], maps[3] + 1]))
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    alone = list(projection._mixed([maps[0] + 1, *maps[1:]]))
    assert [torch.equal(a, b) for a, b in zip(before, alone, strict=True)] == [True] * 3 + [False]
