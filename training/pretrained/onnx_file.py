"""Weights as ONNX, under their own names.

Unlike in published graphs, nothing is folded or renamed, so that the weights can be read back.
"""

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from models_store.onnx.half_precision import FLOAT16_SUFFIX
from training.errors import WeightsError

_DEFINITION = "definition"


def save_onnx(network: nn.Module, path: Path, text: str | None, example: Tensor | None) -> None:
    """Write the graph from `input` to `output`, with a dynamic batch axis.

    Raises:
        WeightsError: without an example, or when the network cannot be exported.
    """
    if example is None:
        raise WeightsError("only networks of images can be saved as ONNX; publish others")
    was_training = network.training
    try:
        program = torch.onnx.export(
            network.eval(),
            (example,),
            dynamo=True,
            optimize=False,  # it would fold and rename batch norms
            input_names=["input"],
            output_names=["output"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            external_data=False,
            verbose=False,
        )
    except torch.onnx.errors.OnnxExporterError as error:
        raise WeightsError(f"{path} cannot be written: {error.__cause__ or error}") from error
    finally:
        network.train(was_training)
    if program is None:
        raise WeightsError(f"{path} cannot be written: the exporter returned no program")
    model = program.model_proto
    for node in model.graph.node:  # the metadata names files of this machine
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    if text is not None:
        onnx.helper.set_model_props(model, {_DEFINITION: text})
    onnx.save_model(model, path)


def load_onnx(path: Path) -> tuple[dict[str, Tensor], str | None]:
    """Return the weights by name, and the definition. Raises ValueError for a damaged file."""
    try:
        model = onnx.load(path)
    except Exception as error:  # protobuf's exception type differs between versions
        raise ValueError(str(error)) from error
    texts = {entry.key: entry.value for entry in model.metadata_props}
    tensors = {
        # Weights that a published graph stores as float16 have a suffix.
        initializer.name.removesuffix(FLOAT16_SUFFIX): _to_tensor(initializer)
        for initializer in model.graph.initializer
        if "." in initializer.name  # a parameter of a layer; the exporter's constants have no dots
    }
    return tensors, texts.get(_DEFINITION)


def _to_tensor(initializer: onnx.TensorProto) -> Tensor:
    tensor = torch.from_numpy(numpy_helper.to_array(initializer).copy())
    return tensor.float() if initializer.name.endswith(FLOAT16_SUFFIX) else tensor
