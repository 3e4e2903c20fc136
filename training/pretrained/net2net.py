"""A larger network that begins as a smaller, trained one (Net2Net, Chen et al. 2016).

Their wider layers repeat units and split what follows. Here new units begin as an initializer drew
them and nothing old listens to them yet (arXiv 1511.05641, section 2, with zeros for their split
weights), which also holds where units are summed over shortcuts.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from training.errors import WeightsError

__all__ = ["load_widened"]


def load_widened(network: nn.Module, tensors: Mapping[str, Tensor], source: object) -> None:
    """Put `tensors` into the first units of `network`, in place; its others keep what they have.

    What an old unit computes is then as before, where layers are joined one after the other or by
    sums of units of the same number (a shortcut that pads with zeros moves them), and where whole
    blocks that are new begin as the identity.

    Raises:
        WeightsError: when a tensor is unknown to `network`, or larger there. Nothing is changed.
    """
    state = network.state_dict()
    problems = [f"{name} is unknown" for name in tensors if name not in state]
    problems += [
        f"{name} is {tuple(small.shape)}, and does not fit into {tuple(state[name].shape)}"
        for name, small in tensors.items()
        if name in state and not _fits(small, state[name])
    ]
    if problems:
        more = f", and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise WeightsError(f"{source} does not fit this network: {'; '.join(problems[:3])}{more}")
    with torch.no_grad():
        for name, small in tensors.items():
            large = state[name]
            if large.ndim >= 2:  # weights (out, in, …): old outputs ignore new inputs
                large[: small.shape[0], small.shape[1] :] = 0
            large[tuple(slice(0, length) for length in small.shape)] = small


def _fits(small: Tensor, large: Tensor) -> bool:
    """Whether it may be wider, but its kernels, if any, are as large."""
    return (
        small.ndim == large.ndim
        and all(have <= want for have, want in zip(small.shape[:2], large.shape[:2], strict=True))
        and small.shape[2:] == large.shape[2:]
    )
