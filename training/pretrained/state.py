"""Content of a file of weights, whether it fits a network, and its loading into a larger one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from training.errors import WeightsError

_MAX_REPORTED = 3

_BATCH_COUNTER = "num_batches_tracked"
"""Counter of a batch norm. No output depends on it, and ONNX graphs lack it."""


@dataclass(frozen=True)
class WeightsFile:
    """`tensors` as in a state dict; `definition` is the network's configuration as in a recipe.

    `definition` is None when only the weights were saved.
    """

    tensors: Mapping[str, Tensor]
    definition: Mapping[str, Any] | None


def copy_tensors(network: nn.Module) -> dict[str, Tensor]:
    """Return copies of parameters and buffers by name."""
    return {
        name: value.detach().cpu().contiguous().clone()
        for name, value in network.state_dict().items()
    }


def interpolate(
    start: Mapping[str, Tensor], end: Mapping[str, Tensor], share: float
) -> dict[str, Tensor]:
    """Return the weights that are `share` of the way from `start` to `end`.

    Between fine-tuned weights and those before it, a network keeps most of what either does
    (Wortsman et al. 2022, arXiv 2109.01903). Tensors of integers are those of `end`.
    """
    return {
        name: torch.lerp(start[name], value, share) if value.is_floating_point() else value
        for name, value in end.items()
    }


def parse_definition(text: str | None, source: object) -> Mapping[str, Any] | None:
    """Parse the network's configuration of a file.

    Raises:
        WeightsError: when it is no JSON object.
    """
    if text is None:
        return None
    try:
        definition = json.loads(text)
    except ValueError as error:
        raise WeightsError(f"{source} holds a definition that is not JSON: {error}") from error
    if not isinstance(definition, dict):
        raise WeightsError(f"{source} holds a definition that is not a mapping")
    return definition


def describe_mismatches(expected: Mapping[str, Tensor], received: Mapping[str, object]) -> str:
    """Return a line for each tensor that is missing, unknown or of another shape."""
    problems = [f"{name} is missing" for name in expected if name not in received]
    problems += [f"{name} is unknown" for name in received if name not in expected]
    for name, tensor in expected.items():
        value = received.get(name)
        shape = tuple(value.shape) if isinstance(value, Tensor) else None
        if name in received and shape != tuple(tensor.shape):
            problems.append(f"{name} is {shape}, not {tuple(tensor.shape)}")
    return _shorten(problems)


def _shorten(problems: list[str]) -> str:
    more = f", and {len(problems) - _MAX_REPORTED} more" if len(problems) > _MAX_REPORTED else ""
    return "; ".join(problems[:_MAX_REPORTED]) + more


def load_into(network: nn.Module, tensors: Mapping[str, Tensor], source: object) -> None:
    """Load `tensors` into `network`, in place. When something does not fit, nothing is changed.

    Raises:
        WeightsError: naming the first three tensors that do not fit, and how many more do not.
    """
    state = network.state_dict()
    expected = {n: t for n, t in state.items() if not n.endswith(_BATCH_COUNTER) or n in tensors}
    problems = describe_mismatches(expected, tensors)
    if problems:
        raise WeightsError(f"{source} does not fit this network: {problems}")
    with torch.no_grad():
        for name, tensor in state.items():
            if name in tensors:
                tensor.copy_(tensors[name])


def load_widened(network: nn.Module, tensors: Mapping[str, Tensor], source: object) -> None:
    """Load `tensors` into the first units of `network`, in place; other units keep their values.

    Net2Net (Chen et al. 2016, arXiv 1511.05641, section 2) repeats units in wider layers and splits
    their outgoing weights. Here new units keep their random initialization and their outgoing
    weights to old units are zero, which also works where shortcuts sum units.

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
        raise WeightsError(f"{source} does not fit this network: {_shorten(problems)}")
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
