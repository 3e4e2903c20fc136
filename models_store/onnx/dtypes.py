"""Data types of tensors: onnxruntime's names for those that a manifest can name."""

from collections.abc import Mapping
from typing import get_args

from models_store.manifest import DType

ORT_DTYPES: Mapping[str, DType] = {
    **{f"tensor({dtype})": dtype for dtype in get_args(DType)},
    "tensor(float)": "float32",
    "tensor(double)": "float64",
}
