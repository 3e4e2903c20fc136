"""The check that a model's graphs have the tensors that its task declares."""

from collections.abc import Mapping, Sequence

from models_store.errors import ManifestError
from models_store.manifest import ModelFile, TensorSpec
from models_store.signature import AnySize, TensorSignature
from models_store.tasks import Task


def check_graph_signatures(task: Task, specs: Mapping[str, ModelFile]) -> None:
    """Check that `specs`, graphs by role, match `task.signature`; else requests would fail.

    Raises:
        ManifestError: naming the graph and the tensor, what it is and what is required.
    """
    missing = set(task.signature) - set(specs)
    if missing:
        raise ManifestError(f"there is no graph with role {', '.join(sorted(missing))}")
    sizes: dict[str, int] = {}
    for role, graph in task.signature.items():
        file = specs[role]
        _check_tensors(file, file.inputs, graph.inputs, sizes)
        _check_tensors(file, file.outputs, graph.outputs, sizes)
        unknown = {spec.name for spec in file.inputs} - {tensor.name for tensor in graph.inputs}
        if unknown:
            raise ManifestError(
                f"{file.path} takes {', '.join(sorted(unknown))}, which its task does not provide"
            )


def _check_tensors(
    file: ModelFile,
    specs: Sequence[TensorSpec],
    tensors: Sequence[TensorSignature],
    sizes: dict[str, int],
) -> None:
    by_name = {spec.name: spec for spec in specs}
    for tensor in tensors:
        spec = by_name.get(tensor.name)
        if spec is None:
            if tensor.optional:
                continue
            raise ManifestError(f"{file.path} has no {tensor.name}, which its task requires")
        if spec.dtype != tensor.dtype or not _shape_matches(spec.shape, tensor.shape, sizes):
            required = [
                sizes.get(size, size) if isinstance(size, str) else size for size in tensor.shape
            ]
            raise ManifestError(
                f"{file.path}: {tensor.name} is {spec.dtype} {list(spec.shape)}; its task requires "
                f"{tensor.dtype} {required}"
            )


def _shape_matches(
    shape: Sequence[int | str], required: Sequence[int | str], sizes: dict[str, int]
) -> bool:
    return len(shape) == len(required) and all(
        _size_matches(*pair, sizes) for pair in zip(shape, required, strict=True)
    )


def _size_matches(size: int | str, required: int | str, sizes: dict[str, int]) -> bool:
    """A free dimension takes every size. `sizes` collects the fixed ones of `AnySize` names."""
    if isinstance(size, str):
        return True
    if isinstance(required, AnySize):
        return sizes.setdefault(required, size) == size
    return size == required
