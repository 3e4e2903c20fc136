"""Named optimizers with the paper of each: torch's own, and Muon."""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat
from torch import nn

from models_store.base import FrozenModel
from training.optim import muon

_Fraction = Annotated[float, Field(ge=0, lt=1)]


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return two groups: matrices and kernels decay; biases, norms and other vectors do not.

    Decaying a batch norm's scale only counteracts the scale invariance of the layer before it (He
    et al., "Bag of Tricks", arXiv 1812.01187, section 3.1).
    """
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]


class _Base(FrozenModel):
    lr: PositiveFloat
    weight_decay: NonNegativeFloat = 0.0

    torch_class: ClassVar[Callable[..., torch.optim.Optimizer]]

    def build(self, network: nn.Module) -> torch.optim.Optimizer:
        options = self.model_dump(exclude={"kind", "weight_decay"})
        return type(self).torch_class(parameter_groups(network, self.weight_decay), **options)


class SGD(_Base):
    """Stochastic gradient descent; `momentum` (Polyak 1964), `nesterov` (Sutskever 2013)."""

    torch_class = torch.optim.SGD
    kind: Literal["sgd"] = "sgd"
    momentum: _Fraction = 0.0
    nesterov: bool = False


class Adagrad(_Base):
    """Duchi et al. 2011: steps shrink with the sum of squared gradients."""

    torch_class = torch.optim.Adagrad
    kind: Literal["adagrad"] = "adagrad"


class RMSprop(_Base):
    """Hinton 2012, lecture 6e: a decaying average in place of Adagrad's sum."""

    torch_class = torch.optim.RMSprop
    kind: Literal["rmsprop"] = "rmsprop"
    alpha: _Fraction = 0.99
    momentum: _Fraction = 0.0


class Adam(_Base):
    """Kingma and Ba 2015, arXiv 1412.6980, algorithm 1; `weight_decay` is an L2 penalty."""

    torch_class = torch.optim.Adam
    kind: Literal["adam"] = "adam"
    betas: tuple[_Fraction, _Fraction] = (0.9, 0.999)


class AdamW(_Base):
    """Loshchilov and Hutter 2019, arXiv 1711.05101: Adam with decoupled weight decay."""

    torch_class = torch.optim.AdamW
    kind: Literal["adamw"] = "adamw"
    betas: tuple[_Fraction, _Fraction] = (0.9, 0.999)


class Muon(_Base):
    """Jordan et al. 2024: orthogonalised steps for layers between the first and the last.

    AdamW updates the first and last layer, biases and norms at the same rate, and the only layer of
    a one-layer network.
    """

    kind: Literal["muon"] = "muon"
    momentum: _Fraction = 0.95
    betas: tuple[_Fraction, _Fraction] = (0.9, 0.999)
    fixed_norm: bool = False
    """Treat every convolution as hidden and keep its norm at √rows; `lr` is then the length of a
    step as a share of that norm. This is the Muon of airbench, for networks whose first layer is
    frozen."""
    adamw_lr: PositiveFloat | None = None
    """Rate of the parameters that AdamW updates. Default: `lr`."""

    def build(self, network: nn.Module) -> torch.optim.Optimizer:
        kernels, vectors = parameter_groups(network, self.weight_decay)
        layers = kernels["params"]
        hidden = [p for p in layers if p.ndim > 2] if self.fixed_norm else layers[1:-1]
        hidden_ids = {id(p) for p in hidden}
        rate = {"lr": self.adamw_lr or self.lr}
        groups = [
            {**kernels, "params": hidden, "hidden": True, "fixed_norm": self.fixed_norm},
            {**kernels, **rate, "params": [p for p in layers if id(p) not in hidden_ids]},
            {**vectors, **rate},
        ]
        return muon.Muon(groups, lr=self.lr, momentum=self.momentum, betas=self.betas)


Optimizer = Annotated[SGD | Adagrad | RMSprop | Adam | AdamW | Muon, Field(discriminator="kind")]
