"""How a trained codec of photographs is published."""

from typing import TYPE_CHECKING

from training.export.publication import Publication

if TYPE_CHECKING:
    from training.tasks.photo_compression import PhotoCompression

__all__ = ["publication"]


def publication(task: "PhotoCompression") -> Publication:
    raise NotImplementedError
