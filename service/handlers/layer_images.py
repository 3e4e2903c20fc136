"""Layers of a model as images: their filters, and their activations for an image.

Shapes: B batch, H height, W width, C channels, N filters.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models_store.manifest import Manifest
from models_store.tasks import AnySizeImage, Compression, FixedImage, Task
from models_store.visualization.filters import color_scale, render_feature_maps, render_filters
from service.codecs.images import decode_native, decode_resized, encode_png
from service.errors import InvalidValue
from service.runtime.inspection import Inspector, LayerLocation
from service.runtime.loaded_model import LoadedModel

_MAX_MAPS = 1024


@dataclass(frozen=True)
class LayerImage:
    """A layer drawn as an image, with its counts."""

    png: bytes
    filters: int
    dead: int
    """Filters with almost no weight; of feature maps, those that are zero everywhere."""
    color_limit: float
    """Absolute value at the end of the colour scale."""


def draw_filter_image(inspector: Inspector, manifest: Manifest, name: str) -> LayerImage:
    """Draw a layer's filters. Raises NotFound: no such layer. Unavailable: it cannot be read."""
    layer = inspector.layer(manifest, name).layer
    dead_N = layer.dead_N
    return LayerImage(
        encode_png(render_filters(layer)),
        len(dead_N),
        int(dead_N.sum()),
        color_scale(layer.weights_NChw),
    )


def check_accepts_images(manifest: Manifest) -> None:
    """Raise InvalidValue if the model's input is not an image."""
    if not isinstance(getattr(manifest.task, "image", None), FixedImage | AnySizeImage):
        raise InvalidValue(
            f"{manifest.name} does {manifest.task.kind}: its input is not an image, so its layers "
            "have no activations for one"
        )


def render_activations(
    inspector: Inspector, model: LoadedModel[Task], name: str | None, data: bytes, max_pixels: int
) -> LayerImage:
    """Draw the layer's feature maps for an image (an encoded file), one tile per filter.

    The image is resized to the model's size; for models of any size, its centre is used, at most
    one tile of the model.

    Raises:
        UnsupportedMediaType, InvalidValue, ContentTooLarge: not an image, or the layer has no maps.
        NotFound, Unavailable: as `draw_filter_image`.
    """
    manifest = model.manifest
    located = inspector.layer(manifest, name)
    image_BHWC = _decode_input(manifest, data, max_pixels)[np.newaxis]
    inputs: dict[str, NDArray[np.generic]] = {"images": image_BHWC}
    if isinstance(manifest.task, Compression) and manifest.task.qualities:
        if located.file.role != "encoder":
            raise InvalidValue(
                f"{located.layer.name} is in the graph {located.file.role}, whose input is not an "
                "image; choose a layer of the encoder"
            )
        inputs["quality"] = np.zeros(1, np.int64)
    elif located.file.role == "decoder" and isinstance(manifest.task, Compression):
        inputs = {"latents": model.graphs["encoder"].run(inputs)["latents"]}
    maps = np.asarray(inspector.output(manifest, located, inputs), np.float32)
    maps_Nhw = _as_feature_maps(located, maps)
    dead = int((np.abs(maps_Nhw).reshape(len(maps_Nhw), -1).max(1) == 0).sum())
    return LayerImage(
        encode_png(render_feature_maps(maps_Nhw)), len(maps_Nhw), dead, color_scale(maps_Nhw)
    )


def _decode_input(manifest: Manifest, data: bytes, max_pixels: int) -> NDArray[np.uint8]:
    check_accepts_images(manifest)
    spec: FixedImage | AnySizeImage = getattr(manifest.task, "image")  # noqa: B009  # has been checked
    if isinstance(spec, FixedImage):
        return decode_resized(data, spec, max_pixels)
    image_HWC = decode_native(data, spec.mode, max_pixels)
    for axis in (0, 1):
        length = image_HWC.shape[axis]
        cropped = min(length, spec.tile) // spec.multiple_of * spec.multiple_of
        if not cropped:
            raise InvalidValue(
                f"the image has a side of {length} pixels; the minimum is {spec.multiple_of}"
            )
        start = (length - cropped) // 2
        image_HWC = image_HWC.take(range(start, start + cropped), axis)
    return np.ascontiguousarray(image_HWC)


def _as_feature_maps(located: LayerLocation, maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the maps (N, h, w) of the only image; outputs without axes are maps of 1 × 1."""
    if maps.ndim not in (2, 4) or maps.shape[0] != 1:
        raise InvalidValue(
            f"{located.layer.name} has outputs of shape {list(maps.shape)}, not feature maps of an "
            "image"
        )
    maps_Nhw = maps[0].reshape(maps.shape[1], *(maps.shape[2:] or (1, 1)))
    truncated_Nhw: NDArray[np.float32] = maps_Nhw[:_MAX_MAPS]
    return truncated_Nhw
