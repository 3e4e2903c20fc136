"""Interface between tasks and networks: optional facts that a network's configuration states.

A network that does not define a fact keeps the default, and tasks skip the check.
"""

from typing import Annotated, Protocol, runtime_checkable

from pydantic import Field, PositiveInt
from torch import Tensor

from models_store.base import FrozenModel


class BaseNetworkConfig(FrozenModel):
    """Base of every network's `Config`."""

    @property
    def image_channels(self) -> int | None:
        """Number of channels of the input images."""
        return None

    @property
    def image_side(self) -> int | None:
        """Height and width of the input images, for networks of one size."""
        return None

    @property
    def class_count(self) -> int | None:
        """Number of logits of a classifier."""
        return None

    @property
    def multiple_of(self) -> int:
        """Number that the height and width of input images must be multiples of."""
        return 1

    @property
    def reach(self) -> int:
        """Distance in pixels over which an input pixel can influence an output pixel."""
        return self.multiple_of


class ClassifierNetworkConfig(BaseNetworkConfig):
    """Base of the `Config` of classifiers of images."""

    classes: PositiveInt
    in_channels: Annotated[int, Field(ge=1, le=4)] = 3

    @property
    def image_channels(self) -> int:
        return self.in_channels

    @property
    def class_count(self) -> int:
        return self.classes


@runtime_checkable
class InitFromData(Protocol):
    """A network that sets initial weights from training images."""

    def init_from_data(self, images_NCHW: Tensor) -> None:
        """Set the weights that training starts from. Called once, after the initializer.

        `images_NCHW` are training images as the network takes them.
        """
        ...
