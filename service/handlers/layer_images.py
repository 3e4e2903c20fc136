"""Layers of a model as pictures: their filters, and what they make of a picture.

Shapes: B batch, H height, W width, C channels, N filters.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models_store.manifest import Manifest
from models_store.tasks import Compression, FixedImage, FreeImage, Task
from models_store.visualization.filters import maps_picture, picture, scale_of
from service.codecs.images import Limits, decode_fixed, decode_free, encode_png
from service.errors import Invalid
from service.runtime.inspection import Inspector, Located
from service.runtime.loaded_model import Published

__all__ = ["Shown", "check_takes_pictures", "draw_filters", "draw_maps"]

_MOST_MAPS = 1024


@dataclass(frozen=True)
class Shown:
    """A layer as a picture, and what was counted."""

    png: bytes
    filters: int
    dead: int
    """Filters that do next to nothing; of maps, those that are zero everywhere."""
    scale: float
    """The absolute value at the end of the colours."""


def draw_filters(inspector: Inspector, manifest: Manifest, name: str) -> Shown:
    """Raises NotFound where there is no such layer, Unavailable where it cannot be read."""
    layer = inspector.layer(manifest, name).layer
    dead_N = layer.dead_N
    return Shown(
        encode_png(picture(layer)), len(dead_N), int(dead_N.sum()), scale_of(layer.weights_NChw)
    )


def check_takes_pictures(manifest: Manifest) -> None:
    """Raises Invalid where no picture goes into the model."""
    if not isinstance(getattr(manifest.task, "image", None), FixedImage | FreeImage):
        raise Invalid(
            f"{manifest.name} does {manifest.task.kind}: no picture goes in, so no layer makes "
            "anything of one"
        )


def draw_maps(
    inspector: Inspector,
    manifest: Manifest,
    model: Published[Task],
    name: str | None,
    data: bytes,
    limits: Limits,
) -> Shown:
    """What the layer gives for a picture (an encoded file), a tile for each filter.

    The picture is brought to the model's size; where that is free, its middle is taken, of at most
    the model's tile.

    Raises:
        Unsupported, Invalid, TooLarge: it is no picture, or the layer gives no maps.
        NotFound, Unavailable: as `draw_filters`.
    """
    located = inspector.layer(manifest, name)
    image_BHWC = _decoded(manifest, data, limits)[np.newaxis]
    inputs: dict[str, NDArray[np.generic]] = {"images": image_BHWC}
    if isinstance(manifest.task, Compression) and manifest.task.qualities:
        if located.file.role != "encoder":
            raise Invalid(
                f"{located.layer.name} is in the graph {located.file.role}, which sees no picture; "
                "accepted are layers of the encoder"
            )
        inputs["quality"] = np.zeros(1, np.int64)
    elif located.file.role == "decoder" and isinstance(manifest.task, Compression):
        inputs = {"latents": model.graphs["encoder"].run(inputs)["latents"]}
    maps = np.asarray(inspector.output(manifest, located, inputs), np.float32)
    maps_Nhw = _as_maps(located, maps)
    silent = int((np.abs(maps_Nhw).reshape(len(maps_Nhw), -1).max(1) == 0).sum())
    return Shown(encode_png(maps_picture(maps_Nhw)), len(maps_Nhw), silent, scale_of(maps_Nhw))


def _decoded(manifest: Manifest, data: bytes, limits: Limits) -> NDArray[np.uint8]:
    check_takes_pictures(manifest)
    spec: FixedImage | FreeImage = getattr(manifest.task, "image")  # noqa: B009  # has been checked
    if isinstance(spec, FixedImage):
        return decode_fixed(data, spec, limits)
    image_HWC = decode_free(data, spec.mode, limits)
    for axis in (0, 1):
        length = image_HWC.shape[axis]
        kept = min(length, spec.tile) // spec.multiple_of * spec.multiple_of
        if not kept:
            raise Invalid(
                f"the picture has a side of {length} pixels; accepted are {spec.multiple_of} and "
                "more"
            )
        start = (length - kept) // 2
        image_HWC = image_HWC.take(range(start, start + kept), axis)
    return np.ascontiguousarray(image_HWC)


def _as_maps(located: Located, maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, h, w) of the only picture; numbers without places are maps of 1 × 1."""
    if maps.ndim not in (2, 4) or maps.shape[0] != 1:
        raise Invalid(
            f"{located.layer.name} gives {list(maps.shape)}, which are no maps of a picture"
        )
    maps_Nhw = maps[0].reshape(maps.shape[1], *(maps.shape[2:] or (1, 1)))
    shown: NDArray[np.float32] = maps_Nhw[:_MOST_MAPS]
    return shown
