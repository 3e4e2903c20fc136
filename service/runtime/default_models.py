"""Selection of the model that a task's requests get if they name none."""

from collections.abc import Container, Mapping

from models_store.manifest import Manifest
from models_store.tasks import (
    AnySizeImage,
    Classification,
    Compression,
    Denoising,
    Task,
    Tensors,
    TextGeneration,
)


def select_defaults(manifests: Mapping[str, Manifest], ready: Container[str]) -> dict[str, str]:
    """Return the name of the most capable model of each task kind, by the manifests of the names.

    That is the classifier with the most labels, the text model with the largest state, a
    denoiser for colour before one for grey, a codec for any image size before one for a fixed
    size. Then the first by name; an ensemble comes last, because it costs several times as much.

    If that model is not ready, the next ready one with the same labels, vocabulary or image format
    takes its place, but never a model for something else. Graphs of the task *tensors* have no
    default, because no two do the same.
    """
    first: dict[str, Task] = {}
    ready_names: dict[str, str] = {}
    names: dict[str, str] = {}
    for name, manifest in sorted(manifests.items(), key=lambda item: _sort_key(item[1])):
        task = manifest.task
        if isinstance(task, Tensors):
            continue
        names.setdefault(task.kind, name)
        preferred = first.setdefault(task.kind, task)
        if name in ready and _interface(task) == _interface(preferred):
            ready_names.setdefault(task.kind, name)
    return {**names, **ready_names}


def _sort_key(manifest: Manifest) -> tuple[bool, int, str]:
    outputs = (output.name for file in manifest.files for output in file.outputs or ())
    return "members" in outputs, -_capability(manifest.task), manifest.name


def _interface(task: Task) -> object:
    """Return what two models must share to take each other's place as default."""
    if isinstance(task, Classification):
        return task.labels
    if isinstance(task, TextGeneration):
        return task.vocabulary
    if isinstance(task, Compression | Denoising):
        return task.image
    return task.kind


def _capability(task: Task) -> int:
    if isinstance(task, Classification):
        return len(task.labels)
    if isinstance(task, Compression):
        # Native sizes before a fixed one.
        return int(isinstance(task.image, AnySizeImage))
    if isinstance(task, TextGeneration):
        return sum(state.layers * state.width for state in task.states)
    if isinstance(task, Denoising):
        return int(task.image.mode == "RGB")
    return 0
