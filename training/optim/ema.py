"""Exponential moving average of a network's weights."""

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

_Tensors = list[Tensor] | tuple[Tensor, ...]


def ema_model(network: nn.Module, decay: float) -> AveragedModel:
    """Return an average that `update_parameters` moves by `1 - decay` towards the network.

    The first steps move it faster, by `9 / (10 + n)` after n updates, so that a short run is not
    dominated by its random start (the warm-up of TensorFlow's ExponentialMovingAverage). Buffers
    are averaged too: batch statistics of the last raw weights do not fit averaged ones.
    """

    def update(averaged: _Tensors, current: _Tensors, updates: Tensor | int) -> None:
        count = int(updates)
        weight = 1 - min(decay, (1 + count) / (10 + count))
        if torch.is_floating_point(averaged[0]):
            torch._foreach_lerp_(averaged, current, weight)
        else:  # integer buffers, such as batch counters
            torch._foreach_copy_(averaged, current)

    return AveragedModel(network, multi_avg_fn=update, use_buffers=True)
