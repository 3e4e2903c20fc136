"""Muon: momentum whose matrices are orthogonalised before each step.

Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks". Its steps are scaled
to the size of AdamW's, so that rates carry over (Liu et al. 2025, arXiv 2502.16982, section 2.2).
With `fixed_norm` it is the variant of airbench's record (Jordan 2024,
github.com/KellerJordan/cifar10-airbench): each matrix is rescaled to the norm √rows at every step,
and the step is not scaled.

torch.optim.Muon accepts matrices only, not convolutions, and computes in bfloat16, which is many
times slower than single precision on processors without bfloat16 units.
"""

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor

_QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of Jordan et al.: the steepest at zero that still converge near one for every
singular value."""
_ADAMW_RMS = 0.2
"""Root mean square of AdamW's steps, as Liu et al. observed."""
_EPSILON = 1e-7


def orthogonalize(matrix: Tensor, steps: int = 5) -> Tensor:
    """Return U S' Vᵀ for `matrix` = U S Vᵀ, with singular values S' between about 0.7 and 1.2.

    It is a Newton–Schulz iteration of matrix products; the result has the shape of `matrix`.
    """
    linear, cubic, quintic = _QUINTIC
    wide = matrix.mT if matrix.shape[0] > matrix.shape[1] else matrix
    x = wide / (wide.norm() + _EPSILON)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=cubic, alpha=quintic), x, beta=linear)
    result: Tensor = x.mT if matrix.shape[0] > matrix.shape[1] else x
    return result


class Muon(torch.optim.Optimizer):
    """Muon for parameter groups with `"hidden": True` (matrices and kernels), AdamW for all others.

    Hidden groups with `"fixed_norm": True` keep every matrix at the norm √rows.

    A convolution's kernel (out, in, height, width) is treated as (out, in · height · width).
    """

    def __init__(
        self,
        params: Iterable[dict[str, Any]],
        lr: float,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "betas": betas, "eps": eps}
        flags = {"weight_decay": 0.0, "hidden": False, "fixed_norm": False}
        super().__init__(params, {**defaults, **flags})

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            update = self._orthogonal_update if group["hidden"] else self._adamw_update
            for parameter in group["params"]:
                if parameter.grad is not None:
                    step = update(parameter.grad, self.state[parameter], group)
                    if group["fixed_norm"]:
                        parameter.mul_(len(parameter) ** 0.5 / parameter.norm())
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    parameter.sub_(step, alpha=group["lr"])
        return loss

    @staticmethod
    def _orthogonal_update(
        gradient: Tensor, state: dict[str, Tensor], group: dict[str, Any]
    ) -> Tensor:
        if not state:
            state["mean"] = torch.zeros_like(gradient)
        mean = state["mean"].lerp_(gradient, 1 - group["momentum"])
        lookahead = gradient.lerp(mean, group["momentum"])  # Nesterov momentum
        step = orthogonalize(lookahead.flatten(1))
        if group["fixed_norm"]:
            return step.view_as(gradient)
        # An orthogonal matrix has a root mean square of 1 / sqrt(its longer side).
        scaled: Tensor = step * (_ADAMW_RMS * max(step.shape) ** 0.5)
        return scaled.view_as(gradient)

    @staticmethod
    def _adamw_update(gradient: Tensor, state: dict[str, Tensor], group: dict[str, Any]) -> Tensor:
        first, second = group["betas"]
        if not state:
            state["mean"], state["square"] = torch.zeros_like(gradient), torch.zeros_like(gradient)
            state["step"] = torch.zeros((), dtype=torch.float32)
        count = float(state["step"].add_(1))
        mean = state["mean"].lerp_(gradient, 1 - first)
        square = state["square"].lerp_(gradient.square(), 1 - second)
        scale = (square / (1 - second**count)).sqrt_().add_(group["eps"])
        step: Tensor = mean / (1 - first**count) / scale
        return step
