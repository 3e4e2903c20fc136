"""How a network that draws is published."""

from typing import TYPE_CHECKING

from training.export.publication import Publication

if TYPE_CHECKING:
    from training.tasks.handwriting import Handwriting

__all__ = ["publication"]


def publication(task: "Handwriting") -> Publication:
    raise NotImplementedError
