"""Residual networks (He et al. 2015, "Deep Residual Learning", arXiv 1512.03385).

There are two stems: `imagenet` (section 4.1, table 1: a 7×7 stride-2 convolution and a pooling,
then four stages) and `cifar` (section 4.2: a 3×3 convolution, then three stages of 16, 32 and 64
channels). Parameters are named as in torchvision, so that its ImageNet weights load unchanged.

Each layer is convolution → batch norm → ReLU; a block's last ReLU follows the addition (figure 2
and section 3.4).

Shapes: B batch, C channels, H height, W width, K classes.
"""

from itertools import pairwise
from typing import Literal, Self

from pydantic import PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional

from training.networks.base import ClassifierNetworkConfig

Shortcut = Literal["A", "B"]

_IMAGENET: dict[int, tuple[bool, tuple[int, ...]]] = {
    18: (False, (2, 2, 2, 2)),
    34: (False, (3, 4, 6, 3)),
    50: (True, (3, 4, 6, 3)),
    101: (True, (3, 4, 23, 3)),
    152: (True, (3, 8, 36, 3)),
}
_CIFAR: dict[int, tuple[bool, tuple[int, ...]]] = {
    depth: (False, ((depth - 2) // 6,) * 3) for depth in (20, 32, 44, 56, 110)
}
DEPTHS = {"imagenet": tuple(_IMAGENET), "cifar": tuple(_CIFAR)}
"""The depths that the paper gives for each stem."""


class _PadChannels(nn.Module):
    """Shortcut A: take every second pixel and fill new channels with zeros; no parameters."""

    def __init__(self, stride: int, extra: int) -> None:
        super().__init__()
        self.stride = stride
        self.extra = extra

    def forward(self, x_BCHW: Tensor) -> Tensor:
        x_BCHW = x_BCHW[:, :, :: self.stride, :: self.stride]
        return functional.pad(x_BCHW, (0, 0, 0, 0, 0, self.extra))


def _shortcut(kind: Shortcut | None, channels: int, out: int, stride: int) -> nn.Module | None:
    """Return a shortcut, or None if `kind` is None or the input passes unchanged."""
    if kind is None or (stride == 1 and channels == out):
        return None
    if kind == "A":
        return _PadChannels(stride, out - channels)
    return nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))


def _residual_add(out: Tensor, x: Tensor, downsample: nn.Module | None) -> Tensor:
    identity: Tensor = x if downsample is None else downsample(x)
    return out + identity


class BasicBlock(nn.Module):
    """A block of two 3×3 convolutions (figure 5, left)."""

    expansion = 1

    def __init__(
        self,
        channels: int,
        planes: int,
        stride: int,
        shortcut: Shortcut | None,
        stride_in_1x1: bool,
    ) -> None:
        super().__init__()
        del stride_in_1x1  # only a bottleneck has a 1×1
        self.conv1 = nn.Conv2d(channels, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.residual = shortcut is not None
        self.downsample = _shortcut(shortcut, channels, planes, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        return functional.relu(_residual_add(out, x, self.downsample) if self.residual else out)


class Bottleneck(nn.Module):
    """A bottleneck: 1×1 reduces, 3×3, 1×1 expands by four (figure 5, right).

    The paper puts the stride in the first 1×1; torchvision puts it in the 3×3, which costs 6 % more
    and is more accurate. `stride_in_1x1` selects the paper's.
    """

    expansion = 4

    def __init__(
        self,
        channels: int,
        planes: int,
        stride: int,
        shortcut: Shortcut | None,
        stride_in_1x1: bool,
    ) -> None:
        super().__init__()
        first, second = (stride, 1) if stride_in_1x1 else (1, stride)
        self.conv1 = nn.Conv2d(channels, planes, 1, first, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, second, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, planes * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * self.expansion)
        self.residual = shortcut is not None
        self.downsample = _shortcut(shortcut, channels, planes * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = functional.relu(self.bn1(self.conv1(x)))
        out = self.bn3(self.conv3(functional.relu(self.bn2(self.conv2(out)))))
        return functional.relu(_residual_add(out, x, self.downsample) if self.residual else out)


class ResNet(nn.Module):
    """`forward` maps images (B, C, H, W), normalised floats, to logits (B, K)."""

    class Config(ClassifierNetworkConfig):
        """Depth, stem and options of the network."""

        kind: Literal["resnet"] = "resnet"
        depth: Literal[18, 34, 50, 101, 152, 20, 32, 44, 56, 110]
        stem: Literal["imagenet", "cifar"]
        width: PositiveInt | None = None
        """Channels of the first stage. Default: the paper's 64 (imagenet) or 16 (cifar)."""
        shortcut: Shortcut | None = None
        """Shortcut where shapes change: A pads with zeros (the paper on CIFAR), B projects
        (ImageNet)."""
        stride_in_1x1: bool = False
        residual: bool = True
        """Without it, the plain net that the paper compares with: the same layers, no shortcuts."""

        @model_validator(mode="after")
        def _validate_depth(self) -> Self:
            if self.depth not in DEPTHS[self.stem]:
                raise ValueError(
                    f"a ResNet with the {self.stem} stem has one of the depths "
                    f"{', '.join(map(str, DEPTHS[self.stem]))}, not {self.depth}"
                )
            return self

        def build(self) -> "ResNet":
            return ResNet(self)

    def __init__(self, config: Config) -> None:
        super().__init__()
        cifar = config.stem == "cifar"
        bottleneck, blocks = (_CIFAR if cifar else _IMAGENET)[config.depth]
        width = config.width or (16 if cifar else 64)
        shortcut: Shortcut | None = config.shortcut or ("A" if cifar else "B")
        shortcut = shortcut if config.residual else None
        block = Bottleneck if bottleneck else BasicBlock

        kernel, stride, padding = (3, 1, 1) if cifar else (7, 2, 3)
        self.conv1 = nn.Conv2d(config.in_channels, width, kernel, stride, padding, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.Identity() if cifar else nn.MaxPool2d(3, 2, 1)

        planes = [width * 2**stage for stage in range(len(blocks))]
        inputs = [width, *(p * block.expansion for p in planes)]
        self.stages = len(blocks)
        for stage, (channels, out) in enumerate(pairwise(inputs)):
            layers: list[nn.Module] = []
            for index in range(blocks[stage]):
                stride = 2 if stage > 0 and index == 0 else 1
                source = channels if index == 0 else out
                layers.append(block(source, planes[stage], stride, shortcut, config.stride_in_1x1))
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs[-1], config.classes)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        x = self.maxpool(functional.relu(self.bn1(self.conv1(images_BCHW))))
        for stage in range(1, self.stages + 1):
            x = self.get_submodule(f"layer{stage}")(x)
        pooled_BC = self.avgpool(x).flatten(1)
        logits_BK: Tensor = self.fc(pooled_BC)
        return logits_BK
