"""The tensors that a task's graphs must have, as data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class AnySize(str):
    """A dimension that may be fixed or free, but has one size wherever its name occurs."""

    __slots__ = ()


@dataclass(frozen=True)
class TensorSignature:
    """An input or output that a task's graph must have."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    """A number is the only size, a plain name a dimension that must be free."""
    optional: bool = False


@dataclass(frozen=True)
class GraphSignature:
    """All inputs of a graph, and the outputs that the service reads."""

    inputs: Sequence[TensorSignature]
    outputs: Sequence[TensorSignature]


Signature = Mapping[str, GraphSignature]
"""Role of a graph → its tensors."""
