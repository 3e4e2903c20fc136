"""The filters of a published layer, straight from the graph: no network is built."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from models_store.layout import version_dir, versions
from models_store.onnx.weights import Layer, layers
from models_store.verify import check_files, read_manifest
from models_store.visualization.filters import picture, scale_of
from training.errors import DataError

__all__ = ["draw_filters", "shelved_layers"]


def shelved_layers(store: Path, name: str, version: int | None) -> tuple[str, dict[str, Layer]]:
    """What is looked into, in words, and its layers by name, in order.

    Raises:
        StoreError: when there is no such model or version, or it is damaged.
    """
    folder = version_dir(store, name, version or max(versions(store, name), default=1))
    manifest = read_manifest(folder)
    check_files(folder, manifest)
    found: dict[str, Layer] = {}
    for file in manifest.graphs().values():
        for layer in layers((folder / file.path).read_bytes()):
            found.setdefault(layer.name, layer)
    return f"{name} {manifest.version}", found


def draw_filters(where: str, there: Mapping[str, Layer], name: str, path: Path) -> str:
    """Draw one layer to `path`; returns what was counted, in words.

    Raises:
        DataError: when there is no such layer; names those that there are.
    """
    layer = there.get(name)
    if layer is None:
        raise DataError(
            f"{where} has no layer {name!r}; layers: {', '.join(there) or 'none with weights'}"
        )
    filters, inputs, height, width = layer.weights_NChw.shape
    dead = int(layer.dead_N.sum())
    counted = f"{filters} filters of {inputs}×{height}×{width}, {dead} dead"
    image_HWC = picture(layer)
    size = np.array(image_HWC.shape[1::-1]) / 130
    figure = Figure(figsize=(size[0] + 0.3, size[1] + 0.8), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(image_HWC, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.set_title(f"{where}, {name}\n{counted}", fontsize=10)
    end = scale_of(layer.weights_NChw)
    colours = inputs == 3 and height * width > 1
    ends = "dark … light, grey is 0" if colours else "blue … red, white is 0"
    axes.set_xlabel(f"one scale: -{end:.3g} … {end:.3g} as {ends}; magenta: dead", fontsize=9)
    figure.savefig(path)
    return f"{where}, {name}: {counted}"
