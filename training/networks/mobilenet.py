"""MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381), for fine-tuning on other classes.

torchvision's features, pooling, and a head of Dense 128. `training/pretrained/mobilenet.py` loads
the pretrained weights; this module defines the computation they need.

Shapes: B batch, C channels, H height, W width, K classes.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models import mobilenet_v2

from training.datasets.data_dir import CachedPath
from training.networks.base import BaseNetworkConfig

InputScaling = Literal["torchvision", "symmetric"]

_INPUT_STATISTICS: dict[InputScaling, tuple[list[float], list[float]]] = {
    "torchvision": ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    "symmetric": ([0.5] * 3, [0.5] * 3),  # RGB / 127.5 - 1
}


class _SameConv2d(nn.Conv2d):
    """A convolution with stride 2 and an odd kernel, padded like TensorFlow's SAME.

    The total padding is what the last window needs; an odd pixel goes to the right and the bottom.
    A 3×3 convolution pads even sides by 0 before and 1 after, and odd sides by 1 and 1. torchvision
    always pads by 1 and 1, which shifts the windows of even sides.
    """

    def forward(self, x_BCHW: Tensor) -> Tensor:
        height, width = x_BCHW.shape[2:]
        high, wide = self.kernel_size
        edges = _same(width, wide) + _same(height, high)
        return super().forward(functional.pad(x_BCHW, edges))


def _same(length: int, kernel: int) -> tuple[int, int]:
    """Return the padding before and after one axis, for a stride of 2."""
    return (kernel - 2 + length % 2) // 2, (kernel - 1) // 2


def use_same_padding(features: nn.Module) -> None:
    """Replace every convolution with stride 2 in place; parameter names stay."""
    for parent in list(features.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.Conv2d) and child.stride == (2, 2):
                same = _SameConv2d(
                    child.in_channels,
                    child.out_channels,
                    child.kernel_size[0],
                    2,
                    groups=child.groups,
                    bias=child.bias is not None,
                )
                same.load_state_dict(child.state_dict())
                setattr(parent, name, same)


def normalization_statistics(scaling: InputScaling) -> tuple[list[float], list[float]]:
    """Return the mean and deviation per channel, for images in 0–1, that `scaling` stands for."""
    return _INPUT_STATISTICS[scaling]


def fold_batch_norms(features: nn.Module) -> nn.Module:
    """Fold every batch norm into the convolution before it, in place (half the time on a CPU)."""
    for module in list(features.modules()):
        if not isinstance(module, nn.Sequential):
            continue
        for first, second in zip(list(module), list(module)[1:], strict=False):
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                names = [
                    name for name, child in module.named_children() if child in (first, second)
                ]
                module[int(names[0])] = fuse_conv_bn_eval(first.eval(), second.eval())
                module[int(names[1])] = nn.Identity()
    return features


class Pretrained(BaseNetworkConfig):
    """The pretrained weights of MobileNetV2, and the conventions that they were trained with."""

    weights: Literal["imagenet", "random"] = "imagenet"
    weights_path: CachedPath | None = None
    """A state dict of torchvision's `mobilenet_v2`. The path is tried as given, then in the cache.
    Without a path, torchvision's own weights are downloaded."""
    padding: Literal["torchvision", "tf-same"] = "torchvision"
    """Padding of the stride-2 convolutions. TensorFlow's weights need `tf-same`."""
    scaling: InputScaling = "torchvision"
    """ImageNet's mean and deviation per channel, or RGB / 127.5 - 1."""

    @property
    def statistics(self) -> tuple[list[float], list[float]]:
        """Mean and deviation per channel, for images in 0–1, that `scaling` stands for."""
        return normalization_statistics(self.scaling)


class MobileNet(nn.Module):
    """`forward` maps images (B, 3, H, W), scaled as the weights require, to logits (B, K).

    Batch norms always use the statistics of the pretrained weights, in training too: statistics of
    a few hundred photographs in small batches are worse and would change the head's inputs.
    """

    class Config(Pretrained):
        kind: Literal["mobilenet"] = "mobilenet"
        classes: PositiveInt
        hidden: PositiveInt = 128
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
        width: PositiveFloat = 1.0
        """Multiplier of the channels of every layer (section 5.1); ImageNet weights have 1.0."""
        frozen: bool = False
        """Freeze the features and train only the head."""

        @property
        def image_channels(self) -> int:
            return 3

        @property
        def class_count(self) -> int:
            return self.classes

        def build(self) -> "MobileNet":
            return MobileNet(self)

    def __init__(self, config: Config) -> None:
        super().__init__()
        mobilenet = mobilenet_v2(width_mult=config.width)
        self.features: nn.Module = mobilenet.features
        if config.padding == "tf-same":
            use_same_padding(self.features)
        self.features.requires_grad_(not config.frozen)
        self.head = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(mobilenet.last_channel, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, config.classes),
        )

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        self.features.eval()
        return self

    def pool(self, images_BCHW: Tensor) -> Tensor:
        """Return features (B, C), averaged over the image."""
        features_BCHW: Tensor = self.features(images_BCHW)
        return functional.adaptive_avg_pool2d(features_BCHW, 1).flatten(1)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        logits_BK: Tensor = self.head(self.pool(images_BCHW))
        return logits_BK
