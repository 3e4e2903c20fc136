"""Named initialisations of convolution and linear weights. Biases start at zero.

Norm layers keep scale 1 and shift 0, as every paper below assumes.
"""

from abc import ABC, abstractmethod
from typing import Annotated, Literal, cast

from pydantic import Field, PositiveFloat
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from models_store.base import FrozenModel


class _Base(FrozenModel, ABC):
    def apply(self, network: nn.Module) -> None:
        """Overwrite in place the weights of every convolution and linear layer."""
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                self._fill(_underlying_weight(module))
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    @abstractmethod
    def _fill(self, weight: Tensor) -> None: ...


def _underlying_weight(module: nn.Module) -> Tensor:
    """Return the parameter from which a parametrised `weight` is computed, or `weight` itself."""
    if is_parametrized(module, "weight"):
        module = module.parametrizations.weight  # type: ignore[assignment,union-attr]
        return cast("Tensor", module.original)
    return cast("Tensor", module.weight)


class Zeros(_Base):
    """All zero: every unit of a layer gets the same gradient, so nothing is learnt."""

    kind: Literal["zeros"] = "zeros"

    def _fill(self, weight: Tensor) -> None:
        nn.init.zeros_(weight)


class Constant(_Base):
    """One value everywhere, as symmetric as `zeros`."""

    kind: Literal["constant"] = "constant"
    value: float = 0.01

    def _fill(self, weight: Tensor) -> None:
        nn.init.constant_(weight, self.value)


class Normal(_Base):
    """N(0, std²), independent of the size of the layer."""

    kind: Literal["normal"] = "normal"
    std: PositiveFloat = 0.01

    def _fill(self, weight: Tensor) -> None:
        nn.init.normal_(weight, std=self.std)


class Uniform(_Base):
    """U(-bound, bound), independent of the size of the layer."""

    kind: Literal["uniform"] = "uniform"
    bound: PositiveFloat = 0.01

    def _fill(self, weight: Tensor) -> None:
        nn.init.uniform_(weight, -self.bound, self.bound)


class Glorot(_Base):
    """Variance 2 / (fan in + fan out), for tanh-like units (Glorot and Bengio 2010, eq. 16)."""

    kind: Literal["glorot"] = "glorot"
    distribution: Literal["normal", "uniform"] = "uniform"

    def _fill(self, weight: Tensor) -> None:
        fill = nn.init.xavier_normal_ if self.distribution == "normal" else nn.init.xavier_uniform_
        fill(weight)


class He(_Base):
    """Variance 2 / fan, for ReLU units (He et al. 2015, arXiv 1502.01852, eq. 10 and 14)."""

    kind: Literal["he"] = "he"
    distribution: Literal["normal", "uniform"] = "normal"
    fan: Literal["in", "out"] = "out"

    def _fill(self, weight: Tensor) -> None:
        fill = (
            nn.init.kaiming_normal_ if self.distribution == "normal" else nn.init.kaiming_uniform_
        )
        fill(weight, mode="fan_in" if self.fan == "in" else "fan_out", nonlinearity="relu")


class Own(FrozenModel):
    """The weights that the network was built with."""

    kind: Literal["own"] = "own"

    def apply(self, network: nn.Module) -> None:
        """Leave the weights as they are."""


Initializer = Annotated[
    Zeros | Constant | Normal | Uniform | Glorot | He | Own, Field(discriminator="kind")
]
