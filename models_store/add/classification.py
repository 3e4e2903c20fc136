"""Turn an image classifier into one of the contract: pixels in, probabilities out.

The preprocessing becomes part of the graph, which then takes uint8 (B, H, W, C) as `images` and
returns float32 (B, K) as `probabilities`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper

from models_store.add.rewrite import BATCH
from models_store.errors import AddError
from models_store.manifest import TensorSpec
from models_store.tasks import CHANNELS, Classification, ColorMode, FixedImage

_IMAGES, _PROBABILITIES = "images", "probabilities"


@dataclass(frozen=True)
class ClassifierOptions:
    """How pixels become the numbers that the graph takes: `(pixel * scale - mean) / std`."""

    labels: Sequence[str]
    size: tuple[int, int] | None = None
    """Height and width; None: taken from the graph."""
    resize: Literal["crop", "stretch", "pad"] = "crop"
    mean: Sequence[float] = (0.0,)
    std: Sequence[float] = (1.0,)
    scale: float = 1 / 255
    layout: Literal["nchw", "nhwc"] | None = None
    """None: taken from the fixed dimensions of the graph."""
    channels: Literal["rgb", "bgr"] = "rgb"
    softmax: bool = False
    """True if the graph returns logits."""


def read_labels(path: Path) -> list[str]:
    """Return the lines of a text file.

    Raises:
        AddError: it cannot be read, has fewer than two lines, or an empty one.
    """
    try:
        labels = [
            line.strip() for line in path.read_text(encoding="utf-8-sig").rstrip().splitlines()
        ]
    except (OSError, UnicodeDecodeError) as error:
        raise AddError(f"the labels in {path} cannot be read: {error}") from error
    if len(labels) < 2:
        raise AddError(f"{path} has {len(labels)} labels; it needs two or more, one per line")
    if "" in labels:
        raise AddError(
            f"line {labels.index('') + 1} of {path} is empty; each line must hold a label"
        )
    return labels


def add_preprocessing(
    model: onnx.ModelProto, specs: Sequence[TensorSpec], options: ClassifierOptions
) -> tuple[onnx.ModelProto, Classification]:
    """Return the model with preprocessing in its graph, and its task.

    Raises:
        AddError: the graph takes no images, or something else than the options say.
    """
    if (
        len(specs) != 1
        or len(specs[0].shape) != 4
        or specs[0].dtype not in ("float32", "float16", "uint8")
    ):
        raise AddError(
            "a classifier takes one input of four dimensions, float32, float16 or uint8; the graph "
            f"takes {', '.join(f'{spec.name} {spec.dtype}{list(spec.shape)}' for spec in specs)}"
        )
    layout = options.layout or _find_layout(specs[0])
    image = _image(specs[0], layout, options)
    model = _without_reserved_names(model)
    network_input = model.graph.input[0].name
    nodes, weights = _preprocessing_nodes(
        network_input, specs[0].dtype, layout, image.mode, options
    )
    output = _find_output(model)
    tail = _probability_nodes(model, output, options)
    _check_opset(model)
    graph = helper.make_graph(
        [*nodes, *model.graph.node, *tail],
        model.graph.name or "classifier",
        [helper.make_tensor_value_info(_IMAGES, TensorProto.UINT8, image.tensor(_IMAGES).shape)],
        [
            helper.make_tensor_value_info(
                _PROBABILITIES, TensorProto.FLOAT, [BATCH, len(options.labels)]
            )
        ],
        initializer=[*model.graph.initializer, *weights],
        sparse_initializer=list(model.graph.sparse_initializer),
    )
    model.graph.CopyFrom(graph)
    return model, Classification(image=image, labels=tuple(options.labels))


def _find_layout(spec: TensorSpec) -> Literal["nchw", "nhwc"]:
    if spec.shape[1] in (1, 3):
        return "nchw"
    if spec.shape[3] in (1, 3):
        return "nhwc"
    raise AddError(
        f"cannot tell which dimension of the input {spec.name}, {list(spec.shape)}, holds the "
        "channels: give --layout nchw or nhwc"
    )


def _image(
    spec: TensorSpec, layout: Literal["nchw", "nhwc"], options: ClassifierOptions
) -> FixedImage:
    channels, height, width = (
        spec.shape[1:] if layout == "nchw" else (spec.shape[3], *spec.shape[1:3])
    )
    modes: dict[int | str, ColorMode] = {count: mode for mode, count in CHANNELS.items()}
    mode = modes.get(channels, "RGB") if isinstance(channels, str) else modes.get(channels)
    if mode is None:
        raise AddError(f"the graph takes images of {channels} channels; only 1 and 3 are supported")
    for name, values in (("--mean", options.mean), ("--std", options.std)):
        if len(values) not in (1, CHANNELS[mode]):
            raise AddError(
                f"{name} has {len(values)} values, but the graph takes images of "
                f"{CHANNELS[mode]} channel{'s' if mode == 'RGB' else ''}"
            )
    if 0 in options.std:
        raise AddError("--std must not contain 0")
    size_HW = options.size or (height, width)
    if isinstance(size_HW[0], str) or isinstance(size_HW[1], str):
        raise AddError("the graph takes images of any size: give --size, such as --size 224")
    for declared, size in zip((height, width), size_HW, strict=True):
        if isinstance(declared, int) and declared != size:
            raise AddError(
                f"--size is {size_HW[1]} × {size_HW[0]}, but the graph takes {width} × {height}"
            )
    return FixedImage(height=size_HW[0], width=size_HW[1], mode=mode, resize=options.resize)


def _without_reserved_names(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy in which no value has a name that preprocessing needs."""
    names = {name for node in model.graph.node for name in (*node.input, *node.output)}
    if names & {_IMAGES, _PROBABILITIES}:
        return compose.add_prefix(model, "network/")
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def _preprocessing_nodes(
    target: str, dtype: str, layout: str, mode: ColorMode, options: ClassifierOptions
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Return the operators from `images` to the input `target`, and their weights."""
    steps: list[tuple[str, Sequence[str], dict[str, Any]]] = []
    weights = []
    if options.channels == "bgr" and mode == "RGB":
        weights.append(numpy_helper.from_array(np.array([2, 1, 0], np.int64), "preprocess/bgr"))
        steps.append(("Gather", ["preprocess/bgr"], {"axis": 3}))
    steps.append(("Cast", [], {"to": TensorProto.FLOAT}))
    constants = (
        ("Mul", "scale", [options.scale], 1.0),
        ("Sub", "mean", options.mean, 0.0),
        ("Div", "std", options.std, 1.0),
    )
    for operator, name, values, neutral in constants:
        if all(value == neutral for value in values):
            continue
        array = np.array(values, np.float32)
        weights.append(numpy_helper.from_array(array, f"preprocess/{name}"))
        steps.append((operator, [f"preprocess/{name}"], {}))
    if layout == "nchw":
        steps.append(("Transpose", [], {"perm": [0, 3, 1, 2]}))
    steps.append(("Cast", [], {"to": helper.np_dtype_to_tensor_dtype(np.dtype(dtype))}))
    nodes, value = [], _IMAGES
    for index, (operator, inputs, attributes) in enumerate(steps):
        following = target if index == len(steps) - 1 else f"preprocess/{index}"
        nodes.append(helper.make_node(operator, [value, *inputs], [following], **attributes))
        value = following
    return nodes, weights


def _find_output(model: onnx.ModelProto) -> str:
    if len(model.graph.output) != 1:
        raise AddError(
            "a classifier has one output; the graph has "
            + ", ".join(value.name for value in model.graph.output)
        )
    name: str = model.graph.output[0].name
    return name


def _probability_nodes(
    model: onnx.ModelProto, output: str, options: ClassifierOptions
) -> list[onnx.NodeProto]:
    """Return the operators from the output of the network to `probabilities`."""
    producer = next((node for node in model.graph.node if output in node.output), None)
    if options.softmax and producer is not None and producer.op_type == "Softmax":
        raise AddError("the graph returns probabilities already: leave out --softmax")
    # Some networks keep 1 × 1 places behind the classes: (B, K, 1, 1).
    nodes = [helper.make_node("Flatten", [output], ["postprocess/flat"], axis=1)]
    value = "postprocess/flat"
    if options.softmax:
        nodes.append(helper.make_node("Softmax", [value], ["postprocess/softmax"], axis=1))
        value = "postprocess/softmax"
    nodes.append(helper.make_node("Cast", [value], [_PROBABILITIES], to=TensorProto.FLOAT))
    return nodes


def _check_opset(model: onnx.ModelProto) -> None:
    version = next((item.version for item in model.opset_import if item.domain == ""), 0)
    if version < 7:
        raise AddError(f"the graph has opset {version}; preprocessing needs opset 7 or later")
