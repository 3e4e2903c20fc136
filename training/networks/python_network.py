"""A network of the user's own, for tasks on images: any `nn.Module` that a recipe names."""

from typing import Literal

from pydantic import Field, JsonValue
from torch import nn

from training.errors import RecipeError
from training.networks.base import BaseNetworkConfig
from training.python_target import Target, call_target, import_target


class PythonNetwork(BaseNetworkConfig):
    """`target` is called with `args` and returns an `nn.Module`; a class is called, too.

    The module maps float images (B, C, H, W) to what the task needs: logits (B, K) of a
    classifier, images of the same size of a denoiser.
    """

    kind: Literal["python"] = "python"
    target: Target
    args: dict[str, JsonValue] = Field(default_factory=dict)

    @property
    def multiple_of(self) -> int:
        """The target's attribute `multiple_of`, or 1."""
        return int(getattr(import_target(self.target), "multiple_of", 1))

    @property
    def reach(self) -> int:
        """The target's attribute `reach`, by which the service overlaps the tiles of an image."""
        try:
            return int(import_target(self.target).reach)
        except AttributeError:
            raise RecipeError(
                f"{self.target} needs an attribute `reach`: the distance in pixels over which an "
                "input pixel influences an output pixel"
            ) from None

    def build(self) -> nn.Module:
        """Return the network.

        Raises:
            RecipeError: the target does not exist, takes other arguments or returns something else.
        """
        network = call_target(self.target, self.args)
        if not isinstance(network, nn.Module):
            raise RecipeError(f"{self.target} returned {type(network).__name__}, not an nn.Module")
        return network
