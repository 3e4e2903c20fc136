"""Errors that name one of several images."""

from collections.abc import Iterator
from contextlib import contextmanager

from service.errors import ServiceError


@contextmanager
def annotate_image_index(index: int, count: int, field: str = "image") -> Iterator[None]:
    """Name the image, if there are several, in errors raised inside; `index` counts from 0."""
    try:
        yield
    except ServiceError as error:
        if count > 1:
            error.detail = f"{field} {index + 1} of {count}: {error.detail}"
        raise
