"""Save and load weights in the format of the file's extension."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from training.errors import WeightsError
from training.pretrained.mobilenet import read_state
from training.pretrained.state import WeightsFile, copy_tensors, parse_definition

EXTENSIONS = (".safetensors", ".h5", ".hdf5", ".onnx")
_TORCH_EXTENSIONS = (".pt", ".pth")
"""Files of `torch.save`, which are read but not written."""

_DEFINITION = "definition"


def save_network(
    network: nn.Module,
    path: Path,
    definition: Mapping[str, Any] | None = None,
    example: Tensor | None = None,
) -> None:
    """Write the weights of `network` to `path`, with its `definition` if given.

    `example` is an input (2 or more, …), needed for ONNX, which also holds the computation.

    Raises:
        WeightsError: when the extension is unknown, or ONNX lacks an example.
    """
    tensors = copy_tensors(network)
    text = None if definition is None else json.dumps(definition)
    match _extension(path):
        case ".safetensors":
            metadata = {"format": "pt"} | ({} if text is None else {_DEFINITION: text})
            safetensors.torch.save_file(tensors, path, metadata)
        case ".onnx":
            from training.pretrained.onnx_file import save_onnx

            save_onnx(network, path, text, example)
        case _:
            _save_hdf5(network, tensors, path, text)


def load_weights_file(path: Path) -> WeightsFile:
    """Read a file of weights; from torch's own files (.pt, .pth), read the state dict.

    Raises:
        WeightsError: when it does not exist, is damaged or has another format.
    """
    extension = _extension(path, (*EXTENSIONS, *_TORCH_EXTENSIONS))
    if not path.is_file():
        raise WeightsError(f"there is no file {path}")
    if extension in _TORCH_EXTENSIONS:
        return WeightsFile(_load_torch(path), None)
    try:
        match extension:
            case ".safetensors":
                with safetensors.safe_open(path, framework="pt") as file:
                    text = (file.metadata() or {}).get(_DEFINITION)
                    tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
            case ".onnx":
                from training.pretrained.onnx_file import load_onnx

                tensors, text = load_onnx(path)
            case _:
                tensors, text = _load_hdf5(path)
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read as weights: {error}") from error
    return WeightsFile(tensors, parse_definition(text, path))


def _extension(path: Path, accepted: tuple[str, ...] = EXTENSIONS) -> str:
    extension = path.suffix.lower()
    if extension not in accepted:
        raise WeightsError(f"{path} must end in one of {', '.join(accepted)}, got {extension!r}")
    return extension


def _load_torch(path: Path) -> dict[str, Tensor]:
    """Return the state dict of the file, or of its entry `state_dict`."""
    state = read_state(path)
    state = state.get("state_dict", state)
    if not isinstance(state, dict) or not all(isinstance(item, Tensor) for item in state.values()):
        raise WeightsError(f"{path} holds no state dict: a mapping of names to tensors")
    return state


def _save_hdf5(
    network: nn.Module, tensors: Mapping[str, Tensor], path: Path, text: str | None
) -> None:
    """Write a nested group for each layer, and a data set for each tensor."""
    with h5py.File(path, "w") as file:
        if text is not None:
            file.attrs[_DEFINITION] = text
        for name, tensor in tensors.items():
            file.create_dataset(name.replace(".", "/"), data=tensor.numpy())
        for name, module in network.named_modules():
            group = file.get(name.replace(".", "/")) if name else None
            if isinstance(group, h5py.Group):
                group.attrs["layer"] = type(module).__name__


def _load_hdf5(path: Path) -> tuple[dict[str, Tensor], str | None]:
    tensors: dict[str, Tensor] = {}

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            values = np.asarray(item[()])
            if values.dtype.kind not in "fiub":
                raise ValueError(f"{name} holds {values.dtype}, not numbers")
            tensors[name.replace("/", ".")] = torch.from_numpy(values.copy())

    with h5py.File(path, "r") as file:
        file.visititems(visit)
        text = file.attrs.get(_DEFINITION)
    return tensors, None if text is None else str(text)
