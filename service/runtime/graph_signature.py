"""The names, types and shapes that a task's graphs must have, because handlers rely on them."""

from collections.abc import Mapping, Sequence
from typing import Literal

from models_store.errors import ManifestError
from models_store.manifest import ModelFile, TensorSpec
from models_store.tasks import (
    Classification,
    Compression,
    Denoising,
    Faces,
    FixedImage,
    Handwriting,
    Hyperprior,
    State,
    Task,
    TextGeneration,
)

__all__ = ["CHANNELS", "check_interface"]

CHANNELS = {"L": 1, "RGB": 3}
"""Of a picture, by its mode."""

_Shape = tuple[int | Literal["free", "any"], ...]


def check_interface(task: Task, specs: Mapping[str, ModelFile]) -> None:
    """Return if `specs`, graphs by role, are what the task says; else a request would fail.

    Raises:
        ManifestError: naming the graph and the tensor, what it is and what is needed.
    """
    exact = task.exact_roles if isinstance(task, Compression) else ()
    missing = {*task.roles, *exact} - set(specs) - {"tables"}
    if missing:
        raise ManifestError(f"there is no graph with role {', '.join(sorted(missing))}")
    if isinstance(task, Compression):
        _check_compression(task, specs)
        return
    if isinstance(task, TextGeneration):
        _check_text(task, specs["step"])
        return
    if isinstance(task, Handwriting):
        _check_handwriting(task, specs["step"])
        return
    if isinstance(task, Faces):
        _check_faces(task, specs["generator"])
        return
    model = specs["model"]
    if isinstance(task, Classification):
        height, width, channels = task.image.height, task.image.width, CHANNELS[task.image.mode]
        classes = len(task.labels)
        _expect(model, model.inputs, "images", "uint8", ("free", height, width, channels))
        _expect(model, model.outputs, "probabilities", "float32", ("free", classes))
        if any(output.name == "members" for output in model.outputs):
            _expect(model, model.outputs, "members", "float32", ("free", "any", classes))
    elif isinstance(task, Denoising):
        shape: _Shape = ("free", "free", "free", CHANNELS[task.image.mode])
        _expect(model, model.inputs, "images", "uint8", shape)
        _expect(model, model.outputs, "denoised", "uint8", shape)


def _check_compression(task: Compression, specs: Mapping[str, ModelFile]) -> None:
    encoder, decoder = specs["encoder"], specs["decoder"]
    if isinstance(task.image, FixedImage):
        images: _Shape = ("free", task.image.height, task.image.width, CHANNELS[task.image.mode])
        latents: _Shape = ("free", "any", "any", "any")
    else:
        images = ("free", "free", "free", CHANNELS[task.image.mode])
        latents = ("free", "any", "free", "free")
        _check_prior(task, specs)
    _expect(encoder, encoder.inputs, "images", "uint8", images)
    _expect(encoder, encoder.outputs, "latents", "int16", latents)
    _expect(decoder, decoder.inputs, "latents", "int16", latents)
    _expect(decoder, decoder.outputs, "images", "uint8", images)
    given, taken = (
        next(spec.shape for spec in tensors if spec.name == "latents")
        for tensors in (encoder.outputs, decoder.inputs)
    )
    fixed = [pair for pair in zip(given[1:], taken[1:], strict=True) if all(map(_known, pair))]
    if any(one != other for one, other in fixed):
        raise ManifestError(
            f"{encoder.path} gives latents {list(given)}, {decoder.path} takes {list(taken)}"
        )


def _known(size: int | str) -> bool:
    return isinstance(size, int)


def _check_prior(task: Compression, specs: Mapping[str, ModelFile]) -> None:
    """The graphs that tell what to expect of latents."""
    if not isinstance(task.entropy, Hyperprior):
        raise ManifestError(f"{task.entropy.kind} latents need pictures of one size")
    maps: _Shape = ("free", "any", "free", "free")
    _expect(specs["encoder"], specs["encoder"].outputs, "side", "int16", maps)
    features = specs["features"]
    _expect(features, features.inputs, "side", "int16", maps)
    _expect(features, features.outputs, "features", "uint8", maps)
    for graph in (specs["encoder"], specs["decoder"], features):
        _expect(graph, graph.inputs, "quality", "int64", ("free",))
    before = 0
    for role, group in zip(task.entropy.group_roles, task.entropy.groups, strict=True):
        graph = specs[role]
        own: _Shape = ("free", group.channels, "free", "free")
        _expect(graph, graph.inputs, "features", "uint8", maps)
        _expect(graph, graph.inputs, "group", "int16", own)
        _expect(graph, graph.inputs, "row", "int64", ("free",))
        if before:
            _expect(graph, graph.inputs, "before", "int16", ("free", before, "free", "free"))
        _expect(graph, graph.outputs, "means", "int16", own)
        _expect(graph, graph.outputs, "levels", "uint8", own)
        before += group.channels


def _check_faces(task: Faces, generator: ModelFile) -> None:
    images: _Shape = ("free", task.height, task.width, CHANNELS[task.mode])
    _expect(generator, generator.inputs, "latents", "float32", ("free", task.latent))
    _expect(generator, generator.outputs, "images", "uint8", images)


def _check_text(task: TextGeneration, step: ModelFile) -> None:
    _expect(step, step.inputs, "tokens", "int64", ("free", "free"))
    _expect(step, step.outputs, "logits", "float32", ("free", "free", len(task.vocabulary)))
    _check_states(step, task.states, {"tokens"})


def _check_handwriting(task: Handwriting, step: ModelFile) -> None:
    _expect(step, step.inputs, "moves", "float32", ("free", "free", 5))
    _expect(step, step.inputs, "symbols", "int64", ("free", "free"))
    outputs = 6 * task.components + 3
    _expect(step, step.outputs, "mixture", "float32", ("free", "free", outputs))
    _check_states(step, task.states, {"moves", "symbols"})


def _check_states(step: ModelFile, states: Sequence[State], others: set[str]) -> None:
    for state in states:
        shape: _Shape = (state.layers, "free", state.width)
        _expect(step, step.inputs, state.name, "float32", shape)
        _expect(step, step.outputs, state.next, "float32", shape)
    unknown = {spec.name for spec in step.inputs} - others - {state.name for state in states}
    if unknown:
        raise ManifestError(f"{step.path} wants {', '.join(sorted(unknown))}, which no state is")


def _expect(
    graph: ModelFile,
    tensors: tuple[TensorSpec, ...],
    name: str,
    dtype: str,
    shape: _Shape,
) -> None:
    spec = next((tensor for tensor in tensors if tensor.name == name), None)
    if spec is None:
        raise ManifestError(f"{graph.path} has no {name}, which its task needs")
    if spec.dtype != dtype or not _fits(spec.shape, shape):
        raise ManifestError(
            f"{graph.path}: {name} is {spec.dtype} {list(spec.shape)}, its task needs {dtype} "
            f"{list(shape)}"
        )


def _fits(shape: tuple[int | str, ...], needed: _Shape) -> bool:
    """A dimension that the graph names takes any size; `free` insists on such a one."""
    return len(shape) == len(needed) and all(
        isinstance(size, str) or need in ("any", size)
        for size, need in zip(shape, needed, strict=True)
    )
