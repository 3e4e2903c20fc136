"""Plots of the filters of a published layer, read from the ONNX graph."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from models_store.layout import list_versions, version_dir
from models_store.onnx.weights import Layer, read_layers
from models_store.verify import check_files, read_manifest
from models_store.visualization.filters import color_scale, render_filters
from training.errors import DataError


def load_published_layers(
    store: Path, name: str, version: int | None
) -> tuple[str, dict[str, Layer]]:
    """Return the model's name and version, and its layers by name, in order.

    Raises:
        StoreError: the model or version does not exist, or is damaged.
    """
    folder = version_dir(store, name, version or max(list_versions(store, name), default=1))
    manifest = read_manifest(folder)
    check_files(folder, manifest)
    layers_by_name: dict[str, Layer] = {}
    for file in manifest.graphs().values():
        for layer in read_layers((folder / file.path).read_bytes()):
            layers_by_name.setdefault(layer.name, layer)
    return f"{name} {manifest.version}", layers_by_name


def draw_filters(model: str, layers_by_name: Mapping[str, Layer], name: str, path: Path) -> str:
    """Draw one layer to `path` and return a summary of its filters.

    Raises:
        DataError: the layer does not exist; the message names the existing ones.
    """
    layer = layers_by_name.get(name)
    if layer is None:
        raise DataError(
            f"{model} has no layer {name!r}; layers: "
            f"{', '.join(layers_by_name) or 'none with weights'}"
        )
    filters, inputs, height, width = layer.weights_NChw.shape
    dead = int(layer.dead_N.sum())
    summary = f"{filters} filters of {inputs}×{height}×{width}, {dead} dead"
    image_HWC = render_filters(layer)
    size = np.array(image_HWC.shape[1::-1]) / 130
    figure = Figure(figsize=(size[0] + 0.3, size[1] + 0.8), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(image_HWC, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.set_title(f"{model}, {name}\n{summary}", fontsize=10)
    limit = color_scale(layer.weights_NChw)
    colors = inputs == 3 and height * width > 1
    legend = "dark … light, grey is 0" if colors else "blue … red, white is 0"
    axes.set_xlabel(f"one scale: -{limit:.3g} … {limit:.3g} as {legend}; magenta: dead", fontsize=9)
    figure.savefig(path)
    return f"{model}, {name}: {summary}"
