"""Several images as one: side by side, or one after the other."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.observability.timing import timed

__all__ = ["ANIMATION_TYPES", "encode_animation", "image_grid"]

ANIMATION_TYPES = ("image/png", "image/webp", "image/gif")
"""Media types of animations; the first is the default."""

ImageBatch = NDArray[np.uint8]


def image_grid(images_NHWC: ImageBatch, columns: int) -> ImageBatch:
    """One image (rows · H, columns · W, C), row by row, white where there is none left.

    There is nothing between them: image i begins at row i // columns · H, column
    i % columns · W.
    """
    count, height, width, channels = images_NHWC.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    cells = np.full((rows * columns, height, width, channels), 255, np.uint8)
    cells[:count] = images_NHWC
    tiled = cells.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return tiled.reshape(rows * height, columns * width, channels)


@timed("encode")
def encode_animation(frames_NHWC: ImageBatch, media_type: str, frame_ms: int) -> bytes:
    """The frames as PNG (APNG) or WebP, both without loss, or as GIF; it plays for ever."""
    frames = _to_pil_frames(frames_NHWC)
    options: dict[str, object] = {"loop": 0, "duration": frame_ms}
    if media_type == "image/webp":
        options |= {"lossless": True, "quality": 50, "method": 0}
    file = BytesIO()
    frames[0].save(
        file,
        media_type.rpartition("/")[2].upper(),
        save_all=True,
        append_images=frames[1:],
        **options,
    )
    return file.getvalue()


def _to_pil_frames(frames_NHWC: ImageBatch) -> Sequence[Image.Image]:
    is_grayscale = frames_NHWC.shape[3] == 1
    return [Image.fromarray(frame[..., 0] if is_grayscale else frame) for frame in frames_NHWC]
