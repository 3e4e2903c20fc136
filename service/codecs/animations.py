"""Several images in one file: side by side in a grid, or one after the other in an animation."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import GifImagePlugin, Image
from PIL.PngImagePlugin import Blend

from service.observability.timing import timed

ANIMATION_TYPES = ("image/png", "image/webp", "image/gif")
"""Media types of animations; the first is the default."""

ImageBatch = NDArray[np.uint8]


def image_grid(images_NHWC: ImageBatch, columns: int) -> ImageBatch:
    """Return one image (rows · H, columns · W, C), filled row by row; empty cells are white.

    Cells touch: image i starts at row i // columns · H and column i % columns · W.
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
    """Return the frames as an endless animation: lossless PNG (APNG) or WebP, or GIF.

    Every frame is stored, with its own duration, also where it equals the one before. Pillow would
    merge equal frames, and store a still image without any duration if all are equal.
    """
    frames = _to_pil_frames(frames_NHWC)
    match media_type:
        case "image/webp":
            return _encode_webp(frames, frame_ms)
        case "image/gif":
            return _encode_gif(frames, frame_ms)
        case _:
            return _encode_apng(frames, frame_ms)


def _to_pil_frames(frames_NHWC: ImageBatch) -> Sequence[Image.Image]:
    is_grayscale = frames_NHWC.shape[3] == 1
    return [Image.fromarray(frame[..., 0] if is_grayscale else frame) for frame in frames_NHWC]


def _encode_apng(frames: Sequence[Image.Image], frame_ms: int) -> bytes:
    # Pillow merges equal frames only if they blend alike. For opaque pixels, both ways of blending
    # replace the frame before.
    blend = [(Blend.OP_SOURCE, Blend.OP_OVER)[index % 2] for index in range(len(frames))]
    return _save(
        frames[0], "PNG", save_all=True, append_images=frames[1:], loop=0, duration=frame_ms,
        blend=blend,
    )  # fmt: skip


def _encode_gif(frames: Sequence[Image.Image], frame_ms: int) -> bytes:
    centiseconds = (frame_ms + 5) // 10  # Pillow truncates
    palettes = [frame.quantize() if frame.mode == "RGB" else frame for frame in frames]
    header, _ = GifImagePlugin.getheader(palettes[0], info={"loop": 0})
    blocks = [
        block
        for frame in palettes
        for block in GifImagePlugin.getdata(
            frame, duration=10 * centiseconds, include_color_table=True
        )
    ]
    return b"".join([*header, *blocks, b";"])


def _encode_webp(frames: Sequence[Image.Image], frame_ms: int) -> bytes:
    """Wrap lossless stills into the container for animations (RFC 9649, section 2.7)."""
    width, height = (_uint24(side - 1) for side in frames[0].size)
    origin = bytes(6)
    replace = b"\x02"  # do not blend with the frame before, and leave this one in place
    chunks = [
        _riff_chunk(b"VP8X", b"\x02\0\0\0" + width + height),
        _riff_chunk(b"ANIM", bytes(6)),  # transparent background, endless
    ]
    for frame in frames:
        still = _save(frame, "WEBP", lossless=True, quality=50, method=0)
        bitstream = still[len(b"RIFF....WEBP") :]
        header = origin + width + height + _uint24(frame_ms) + replace
        chunks.append(_riff_chunk(b"ANMF", header + bitstream))
    return _riff_chunk(b"RIFF", b"WEBP" + b"".join(chunks))


def _riff_chunk(kind: bytes, payload: bytes) -> bytes:
    return kind + len(payload).to_bytes(4, "little") + payload + bytes(len(payload) % 2)


def _uint24(value: int) -> bytes:
    return value.to_bytes(3, "little")


def _save(image: Image.Image, file_format: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()
