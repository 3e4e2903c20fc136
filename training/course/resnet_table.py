"""Parameters and multiply-adds of the residual networks of He et al. 2015 (arXiv 1512.03385)."""

from functools import cache
from typing import Literal, NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from training.networks.resnet import ResNet

Stem = Literal["imagenet", "cifar"]
Depth = Literal[18, 34, 50, 101, 152, 20, 32, 44, 56, 110]

# Table 1 gives multiply-adds in 10⁹ at 224², table 6 parameters in 10⁶. Empty strings are values
# that the paper does not give.
_PAPER: tuple[tuple[Stem, Depth, str, str], ...] = (
    ("imagenet", 18, "", "1.8"),
    ("imagenet", 34, "", "3.6"),
    ("imagenet", 50, "", "3.8"),
    ("imagenet", 101, "", "7.6"),
    ("imagenet", 152, "", "11.3"),
    ("cifar", 20, "0.27", ""),
    ("cifar", 32, "0.46", ""),
    ("cifar", 44, "0.66", ""),
    ("cifar", 56, "0.85", ""),
    ("cifar", 110, "1.7", ""),
)


class Row(NamedTuple):
    """`multiply_adds` count the convolutions and the last layer, for one image.

    The paper strides in the first 1×1 convolution of a bottleneck; `torchvision_multiply_adds` are
    those of a stride in the 3×3.
    """

    stem: Stem
    depth: int
    block: str
    parameters: int
    multiply_adds: int
    torchvision_multiply_adds: int
    paper_parameters: str
    paper_multiply_adds: str


def count_parameters(network: nn.Module) -> int:
    """Count weights, biases, scales and shifts."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_multiply_adds(network: nn.Module, side: int) -> int:
    """Count for one image of `side`² and three channels; `network` is on the device `meta`."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.empty(1, 3, side, side, device="meta"))
    return int(counter.get_total_flops()) // 2  # a multiply-add is two operations


@cache
def build_rows() -> tuple[Row, ...]:
    """Return every net of the paper, smallest first, ImageNet's before CIFAR's."""
    return tuple(_build_row(*entry) for entry in _PAPER)


def _build_row(stem: Stem, depth: Depth, paper_parameters: str, paper_multiply_adds: str) -> Row:
    is_bottleneck = stem == "imagenet" and depth >= 50
    costs = []
    for stride_in_1x1 in (True, False) if is_bottleneck else (False,):
        config = ResNet.Config(
            depth=depth,
            stem=stem,
            classes=1000 if stem == "imagenet" else 10,
            stride_in_1x1=stride_in_1x1,
        )
        with torch.device("meta"):  # the device meta allocates and computes nothing
            network = config.build()
        costs.append(count_multiply_adds(network, 224 if stem == "imagenet" else 32))
    return Row(
        stem,
        depth,
        "bottleneck" if is_bottleneck else "basic",
        count_parameters(network),
        costs[0],
        costs[-1],
        paper_parameters,
        paper_multiply_adds,
    )


def format_table() -> str:
    """Return a text table with the paper's figures beside the counted ones."""
    lines = [
        "stem      depth  block       parameters   paper    multiply-adds   paper   stride in 3×3",
        "                                            (10⁶)           (10⁹)   (10⁹)           (10⁹)",
    ]
    lines += [_format_row(row) for row in build_rows()]
    lines.append(
        "ImageNet: 1,000 classes, 224×224; CIFAR: 10 classes, 32×32, shortcuts without weights"
    )
    return "\n".join(lines)


def _format_row(row: Row) -> str:
    return (
        f"{row.stem:9} {row.depth:5}  {row.block:10} {row.parameters:11,} "
        f"{row.paper_parameters or '–':>8} {row.multiply_adds / 1e9:15.3f} "
        f"{row.paper_multiply_adds or '–':>7} {row.torchvision_multiply_adds / 1e9:15.3f}"
    )
