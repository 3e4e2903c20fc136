"""Inputs to try a graph with: from the user's file, or made from the shapes of the graph."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from models_store.errors import AddError
from models_store.manifest import TensorSpec
from models_store.verify import TensorMap

ROWS = 3
_SIZES = (64, 32, 16, 8, 224, 4, 1)
"""Sizes to try for free dimensions: image networks need a multiple of 32, others fewer."""
_MAX_BYTES = 1 << 30
"""Largest input to try a graph with, far beyond the requests that a service accepts."""


def read_sample(path: Path) -> dict[str, NDArray[np.generic]]:
    """Return the arrays of an `.npz` file by name.

    Raises:
        AddError: it is no such file, or holds Python objects.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, AttributeError, TypeError, BadZipFile) as error:
        raise AddError(
            f"{path} is not an .npz file of arrays, as numpy.savez(path, x=…) writes it"
        ) from error


def fit_sample(
    sample: Mapping[str, NDArray[np.generic]], specs: Sequence[TensorSpec]
) -> dict[str, NDArray[np.generic]]:
    """Return the sample with the graph's data types.

    Raises:
        AddError: it has other names, types or shapes than the inputs of the graph.
    """
    names = [spec.name for spec in specs]
    if sorted(sample) != sorted(names):
        raise AddError(
            f"the sample has the arrays {', '.join(sorted(sample))}; the graph needs "
            f"{', '.join(names)}"
        )
    return {spec.name: _fit_array(sample[spec.name], spec) for spec in specs}


def _fit_array(array: NDArray[np.generic], spec: TensorSpec) -> NDArray[np.generic]:
    dtype = np.dtype(np.str_ if spec.dtype == "string" else spec.dtype)
    if not np.can_cast(array.dtype, dtype, "same_kind"):
        raise AddError(f"{spec.name} of the sample is {array.dtype}; the graph takes {spec.dtype}")
    fits = len(array.shape) == len(spec.shape) and all(
        isinstance(declared, str) or size == declared
        for size, declared in zip(array.shape, spec.shape, strict=True)
    )
    if not fits or not array.size:
        raise AddError(
            f"{spec.name} of the sample has the shape {list(array.shape)}; the graph takes "
            f"[{', '.join(map(str, spec.shape))}]"
        )
    return array if dtype.kind == "U" else array.astype(dtype)


def made_inputs(specs: Sequence[TensorSpec]) -> Iterator[dict[str, NDArray[np.generic]]]:
    """Yield inputs of the graph's shapes, the likelier ones first.

    Free first dimensions get 3 rows or 1, other free dimensions one size after the other. Whole
    numbers are below 10, as tokens and categories may be, or else all 0.

    Raises:
        AddError: an input of the graph's shape would be too large.
    """
    for spec in specs:
        if (size := _count_bytes(spec, 1, 1)) > _MAX_BYTES:
            raise AddError(
                f"the input {spec.name} is {spec.dtype} [{', '.join(map(str, spec.shape))}], "
                f"{size / 2**30:,.0f} GiB in each request; the limit is 1 GiB"
            )
    has_free_sizes = any(isinstance(size, str) for spec in specs for size in spec.shape[1:])
    sizes = _SIZES if has_free_sizes else _SIZES[:1]
    for rows, size, limit in product((ROWS, 1), sizes, (10, 1)):
        if all(_count_bytes(spec, rows, size) <= _MAX_BYTES for spec in specs):
            generator = np.random.default_rng(0)
            yield {spec.name: _make_array(generator, spec, rows, size, limit) for spec in specs}


def inputs_of_other_sizes(
    specs: Sequence[TensorSpec], rows: int, size: int
) -> Iterator[dict[str, NDArray[np.generic]]]:
    """Yield inputs whose free dimensions, but for the first, differ from `size` and are over 1."""
    for other_size in _SIZES:
        fits = all(_count_bytes(spec, rows, other_size) <= _MAX_BYTES for spec in specs)
        if other_size not in (size, 1) and fits:
            generator = np.random.default_rng(0)
            yield {spec.name: _make_array(generator, spec, rows, other_size, 1) for spec in specs}


def _fill_shape(spec: TensorSpec, rows: int, size: int) -> tuple[int, ...]:
    return tuple(
        dimension if isinstance(dimension, int) else (size if axis else rows)
        for axis, dimension in enumerate(spec.shape)
    )


def _count_bytes(spec: TensorSpec, rows: int, size: int) -> int:
    item = 8 if spec.dtype == "string" else np.dtype(spec.dtype).itemsize
    return math.prod(_fill_shape(spec, rows, size)) * item


def _make_array(
    generator: np.random.Generator, spec: TensorSpec, rows: int, size: int, limit: int
) -> NDArray[np.generic]:
    shape = _fill_shape(spec, rows, size)
    if spec.dtype == "string":
        return np.array(["a", "b", "c"])[generator.integers(0, 3, shape)]
    dtype = np.dtype(spec.dtype)
    if dtype.kind == "f":
        return generator.standard_normal(shape).astype(dtype)
    if dtype.kind == "b":
        return generator.integers(0, 2, shape).astype(dtype)
    if "mask" in spec.name:  # a row with all tokens masked has no defined output
        return np.ones(shape, dtype)
    return generator.integers(0, 256 if spec.dtype == "uint8" else limit, shape).astype(dtype)


def several_rows(inputs: TensorMap) -> dict[str, NDArray[np.generic]]:
    """Return at least 3 rows of each input, which differ where they are fractions."""
    rows = len(next(iter(inputs.values())))
    if rows > 1:
        return dict(inputs)
    return {name: np.concatenate(_scaled(array)) for name, array in inputs.items()}


def _scaled(array: NDArray[np.generic]) -> list[NDArray[np.generic]]:
    if array.dtype.kind != "f":
        return [array] * ROWS
    return [(array.astype(np.float64) * scale).astype(array.dtype) for scale in (1.0, 0.5, -0.25)]
