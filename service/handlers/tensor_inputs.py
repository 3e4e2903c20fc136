"""The inputs that a graph takes, and the check that what a client sends fits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models_store.manifest import ModelFile
from models_store.tasks import Task, Tensors
from models_store.validation_messages import suggest
from service.codecs.nested_lists import from_flat
from service.codecs.tensors import DATATYPES, Array, flatten
from service.errors import InvalidValue


@dataclass(frozen=True)
class TensorRequirement:
    """Required type and shape of an input; equal names of free dimensions mean equal sizes."""

    datatype: str
    shape: tuple[int | str, ...]
    finite: bool = True
    """True if NaN and infinity are rejected."""


def tensor_requirements(task: Task, graph: ModelFile) -> dict[str, TensorRequirement]:
    """Return what each input of `graph` must be, by name.

    Only graphs that were made elsewhere take NaN, which stands for a missing value in some of them.
    """
    finite = not isinstance(task, Tensors)
    return {
        spec.name: TensorRequirement(DATATYPES[spec.dtype], spec.shape, finite)
        for spec in graph.inputs
    }


def check_shape(
    name: str, shape: Sequence[int], requirement: TensorRequirement, sizes: dict[str, int]
) -> None:
    """Raise InvalidValue unless `shape` fits; `sizes` collects the sizes of named dimensions."""
    if len(shape) != len(requirement.shape):
        raise InvalidValue(
            f"{name} has the shape {list(shape)}; expected {_format_shape(requirement)}"
        )
    for size, required in zip(shape, requirement.shape, strict=True):
        if isinstance(required, str):
            required = sizes.setdefault(required, size)  # noqa: PLW2901  # resolve a named dimension
        if size != required:
            known = ", ".join(f"{name} = {size}" for name, size in sizes.items())
            context = f" where {known}" if known else ""
            raise InvalidValue(
                f"{name} has the shape {list(shape)}; expected "
                f"{_format_shape(requirement)}{context}"
            )


def decode_nested_inputs(
    inputs: Mapping[str, object], requirements: Mapping[str, TensorRequirement]
) -> dict[str, Array]:
    """Return nested lists as arrays of the required types.

    Raises:
        InvalidValue: an input is missing, unknown or does not fit; says what is accepted.
    """
    _check_names(inputs, requirements)
    sizes: dict[str, int] = {}
    arrays = {}
    for name, requirement in requirements.items():
        shape, values = flatten(name, inputs[name])
        if 0 in shape:
            raise InvalidValue(f"{name} is empty; expected {_format_shape(requirement)}")
        if len(shape) + 1 == len(requirement.shape):
            raise InvalidValue(
                f"{name} has the shape {shape}; expected {_format_shape(requirement)}: for one "
                "example, wrap it in a list"
            )
        check_shape(name, shape, requirement, sizes)
        arrays[name] = from_flat(
            name, requirement.datatype, shape, values, finite=requirement.finite
        )
    return arrays


def _check_names(inputs: Mapping[str, object], requirements: Mapping[str, object]) -> None:
    accepted = list(requirements)
    for name in inputs:
        if name not in requirements:
            raise InvalidValue(
                f"there is no input {name[:64]!r}; {suggest(name, accepted)}", accepted=accepted
            )
    missing = [name for name in requirements if name not in inputs]
    if missing:
        raise InvalidValue(
            f"the input {missing[0]!r} is missing; the inputs are: {', '.join(accepted)}",
            accepted=accepted,
        )


def _format_shape(requirement: TensorRequirement) -> str:
    """Return the shape as `[batch, 4]`."""
    return f"[{', '.join(map(str, requirement.shape))}]"
