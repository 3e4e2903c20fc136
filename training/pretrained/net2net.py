"""Initialize a larger network from a smaller, trained one (Net2Net, Chen et al. 2016).

Their wider layers repeat units and split the outgoing weights. Here new units keep their random
initialization and their outgoing weights to old units are zero (arXiv 1511.05641, section 2), which
also works where shortcuts sum units.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from training.errors import WeightsError


def load_widened(network: nn.Module, tensors: Mapping[str, Tensor], source: object) -> None:
    """Load `tensors` into the first units of `network`, in place; other units keep their values.

    Old units then compute the same as before, if layers are connected in sequence or by sums of
    units with the same index (a shortcut that pads with zeros shifts them), and if new blocks start
    as the identity.

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
    """Return whether `large` is at least as wide as `small`, with kernels of the same size."""
    return (
        small.ndim == large.ndim
        and all(
            narrow <= wide for narrow, wide in zip(small.shape[:2], large.shape[:2], strict=True)
        )
        and small.shape[2:] == large.shape[2:]
    )
