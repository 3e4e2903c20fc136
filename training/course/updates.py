"""The update rules of the course as in textbooks, one class each.

A rule moves a vector of parameters θ (P,) one step downhill. It takes the gradient as a function,
because Nesterov's rule evaluates it at another point than θ. Batch, mini-batch and stochastic
descent are one rule, `GradientDescent`, with gradients over all, some or one of the examples.

Where torch's optimizers differ, the class states the translation, and a test verifies that both
then follow the same path.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

GradientFn = Callable[[Tensor], Tensor]
"""θ (P,) → ∂loss/∂θ (P,), over the examples that the caller has chosen for this step."""


class UpdateRule(ABC):
    """`rate` is η > 0. The state of a rule starts at zero."""

    def __init__(self, rate: float) -> None:
        self.rate = rate

    @abstractmethod
    def step(self, theta: Tensor, gradient: GradientFn) -> Tensor:
        """Return the next θ; `theta` is not modified."""


class GradientDescent(UpdateRule):
    """θ ← θ − η g (Cauchy 1847). torch: `SGD(lr=η)`, the same."""

    def step(self, theta: Tensor, gradient: GradientFn) -> Tensor:
        return theta - self.rate * gradient(theta)


class Momentum(UpdateRule):
    """v ← β v + (1 − β) g;  θ ← θ − η v: descent along an average of the last gradients.

    torch: `SGD(lr=η (1 − β), momentum=β)`. It adds the whole gradient, v ← β v + g, so that its
    steps are 1 / (1 − β) times as long at the same rate: ten times with β = 0.9. Its `dampening=β`
    restores the factor, except in the first step, where torch sets v = g.
    """

    def __init__(self, rate: float, beta: float = 0.9) -> None:
        super().__init__(rate)
        self.beta = beta
        self.velocity: Tensor | float = 0.0

    def step(self, theta: Tensor, gradient: GradientFn) -> Tensor:
        self.velocity = self.beta * self.velocity + (1 - self.beta) * gradient(theta)
        return theta - self.rate * self.velocity


class Nesterov(UpdateRule):
    """v ← β v − η g(θ + β v);  θ ← θ + v: the gradient is taken after the momentum step.

    Sutskever et al. 2013, equations 3 and 4. torch: `SGD(lr=η, momentum=β, nesterov=True)`, which
    stores the lookahead point θ + β v instead of θ and computes loss and gradient there, so that it
    needs no second point. Both follow the same path as long as the rate is constant.
    """

    def __init__(self, rate: float, beta: float = 0.9) -> None:
        super().__init__(rate)
        self.beta = beta
        self.velocity: Tensor | float = 0.0

    def lookahead(self, theta: Tensor) -> Tensor:
        """Return θ + β v, where the next gradient is taken."""
        return theta + self.beta * self.velocity

    def step(self, theta: Tensor, gradient: GradientFn) -> Tensor:
        self.velocity = self.beta * self.velocity - self.rate * gradient(self.lookahead(theta))
        return theta + self.velocity


class Adagrad(UpdateRule):
    """s ← s + g²;  θ ← θ − η g / √(s + ε): a rate for each parameter, which only decreases.

    Duchi et al. 2011, in the notation of Ruder 2016 (arXiv 1609.04747, section 4.3). torch:
    `Adagrad(lr=η)` divides by √s + ε with ε = 1e-10, as `epsilon_outside_sqrt` does. Inside the
    root, ε = 1e-8 acts like 1e-4: gradients far below that hardly move their parameter.
    """

    def __init__(
        self, rate: float, epsilon: float = 1e-8, *, epsilon_outside_sqrt: bool = False
    ) -> None:
        super().__init__(rate)
        self.epsilon = epsilon
        self.epsilon_outside_sqrt = epsilon_outside_sqrt
        self.squares: Tensor | float = 0.0

    def step(self, theta: Tensor, gradient: GradientFn) -> Tensor:
        g = gradient(theta)
        squares = self.accumulate(g**2)
        if self.epsilon_outside_sqrt:
            return theta - self.rate * g / (torch.sqrt(squares) + self.epsilon)
        return theta - self.rate * g / torch.sqrt(squares + self.epsilon)

    def accumulate(self, squares: Tensor) -> Tensor:
        """Update and return s."""
        self.squares = self.squares + squares
        return self.squares


class RMSprop(Adagrad):
    """s ← γ s + (1 − γ) g²;  θ ← θ − η g / √(s + ε): Adagrad with a decaying average.

    Hinton 2012, lecture 6e, with his γ = 0.9. torch: `RMSprop(lr=η, alpha=γ)` has ε outside of the
    root, as with `epsilon_outside_sqrt`, and γ = 0.99 by default. s starts at zero and is not
    corrected for it, so the first step is η / √(1 − γ): 3.2 η here, 10 η with torch's default.
    """

    def __init__(
        self,
        rate: float,
        gamma: float = 0.9,
        epsilon: float = 1e-8,
        *,
        epsilon_outside_sqrt: bool = False,
    ) -> None:
        super().__init__(rate, epsilon, epsilon_outside_sqrt=epsilon_outside_sqrt)
        self.gamma = gamma

    def accumulate(self, squares: Tensor) -> Tensor:
        self.squares = self.gamma * self.squares + (1 - self.gamma) * squares
        return self.squares


class Adam(UpdateRule):
    """m ← β₁ m + (1 − β₁) g;  s ← β₂ s + (1 − β₂) g²;  θ ← θ − η m̂ / (√ŝ + ε).

    m̂ = m / (1 − β₁ᵗ) and ŝ = s / (1 − β₂ᵗ) correct for the start at zero, so that the first step
    is η long. Kingma and Ba 2015 (arXiv 1412.6980), algorithm 1. torch: `Adam(lr=η)`, the same. The
    shorter form at the end of the paper's section 2, which Keras uses, adds ε to √s instead of √ŝ.
    """

    def __init__(
        self, rate: float, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
    ) -> None:
        super().__init__(rate)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.steps = 0
        self.mean: Tensor | float = 0.0
        self.squares: Tensor | float = 0.0

    def step(self, theta: Tensor, gradient: GradientFn) -> Tensor:
        g = gradient(theta)
        self.steps += 1
        self.mean = self.beta1 * self.mean + (1 - self.beta1) * g
        self.squares = self.beta2 * self.squares + (1 - self.beta2) * g**2
        mean = self.mean / (1 - self.beta1**self.steps)
        squares = self.squares / (1 - self.beta2**self.steps)
        return theta - self.rate * mean / (torch.sqrt(squares) + self.epsilon)


UPDATE_RULES: dict[str, Callable[[float], UpdateRule]] = {
    "gradient descent": GradientDescent,
    "momentum": Momentum,
    "Nesterov": Nesterov,
    "Adagrad": Adagrad,
    "RMSprop": RMSprop,
    "Adam": Adam,
}
"""Constructors of the rules by name; each takes the rate."""
