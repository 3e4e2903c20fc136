"""The task of a graph that was made elsewhere: tensors in, tensors out."""

from typing import ClassVar, Literal

from models_store.base import FrozenModel
from models_store.signature import Signature


class Tensors(FrozenModel):
    """Any inputs → any outputs, of every rank and data type that the manifest can name.

    The graph itself declares its tensors: the manifest's file entry records their names, data types
    and shapes, and a runtime compares them with the graph. Inputs and outputs whose first
    dimensions all have the same name are examples in rows, which do not influence each other.
    """

    kind: Literal["tensors"] = "tensors"
    roles: ClassVar[tuple[str, ...]] = ("model",)

    @property
    def signature(self) -> Signature:
        """Nothing beyond what the manifest records."""
        return {}
