"""The names, types and shapes that a task's graphs must have, because handlers rely on them."""

from collections.abc import Mapping, Sequence
from typing import Literal

from models_store.errors import ManifestError
from models_store.manifest import ModelFile, TensorSpec
from models_store.tasks import (
    Classification,
    Compression,
    Denoising,
    FaceGeneration,
    FixedImage,
    HandwritingGeneration,
    Hyperprior,
    RecurrentState,
    Task,
    TextGeneration,
)

__all__ = ["CHANNELS", "check_signature"]

CHANNELS = {"L": 1, "RGB": 3}
"""Of a picture, by its mode."""

_Shape = tuple[int | Literal["free", "any"], ...]


def check_signature(task: Task, specs: Mapping[str, ModelFile]) -> None:
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
        _check_text_generation(task, specs["step"])
        return
    if isinstance(task, HandwritingGeneration):
        _check_handwriting(task, specs["step"])
        return
    if isinstance(task, FaceGeneration):
        _check_faces(task, specs["generator"])
        return
    model = specs["model"]
    if isinstance(task, Classification):
        height, width, channels = task.image.height, task.image.width, CHANNELS[task.image.mode]
        classes = len(task.labels)
        _require_tensor(model, model.inputs, "images", "uint8", ("free", height, width, channels))
        _require_tensor(model, model.outputs, "probabilities", "float32", ("free", classes))
        if any(output.name == "members" for output in model.outputs):
            _require_tensor(model, model.outputs, "members", "float32", ("free", "any", classes))
    elif isinstance(task, Denoising):
        shape: _Shape = ("free", "free", "free", CHANNELS[task.image.mode])
        _require_tensor(model, model.inputs, "images", "uint8", shape)
        _require_tensor(model, model.outputs, "denoised", "uint8", shape)


def _check_compression(task: Compression, specs: Mapping[str, ModelFile]) -> None:
    encoder, decoder = specs["encoder"], specs["decoder"]
    if isinstance(task.image, FixedImage):
        images: _Shape = ("free", task.image.height, task.image.width, CHANNELS[task.image.mode])
        latents: _Shape = ("free", "any", "any", "any")
    else:
        images = ("free", "free", "free", CHANNELS[task.image.mode])
        latents = ("free", "any", "free", "free")
        _check_hyperprior(task, specs)
    _require_tensor(encoder, encoder.inputs, "images", "uint8", images)
    _require_tensor(encoder, encoder.outputs, "latents", "int16", latents)
    _require_tensor(decoder, decoder.inputs, "latents", "int16", latents)
    _require_tensor(decoder, decoder.outputs, "images", "uint8", images)
    produced, accepted = (
        next(spec.shape for spec in tensors if spec.name == "latents")
        for tensors in (encoder.outputs, decoder.inputs)
    )
    static_sizes = [
        pair for pair in zip(produced[1:], accepted[1:], strict=True) if all(map(_is_static, pair))
    ]
    if any(produced_size != accepted_size for produced_size, accepted_size in static_sizes):
        raise ManifestError(
            f"{encoder.path} gives latents {list(produced)}, {decoder.path} takes {list(accepted)}"
        )


def _is_static(size: int | str) -> bool:
    return isinstance(size, int)


def _check_hyperprior(task: Compression, specs: Mapping[str, ModelFile]) -> None:
    """The graphs that tell what to expect of latents."""
    if not isinstance(task.entropy, Hyperprior):
        raise ManifestError(f"{task.entropy.kind} latents need pictures of one size")
    maps: _Shape = ("free", "any", "free", "free")
    _require_tensor(specs["encoder"], specs["encoder"].outputs, "side", "int16", maps)
    features = specs["features"]
    _require_tensor(features, features.inputs, "side", "int16", maps)
    _require_tensor(features, features.outputs, "features", "uint8", maps)
    for graph in (specs["encoder"], specs["decoder"], features):
        _require_tensor(graph, graph.inputs, "quality", "int64", ("free",))
    decoded_channels = 0
    for role, group in zip(task.entropy.group_roles, task.entropy.groups, strict=True):
        graph = specs[role]
        group_shape: _Shape = ("free", group.channels, "free", "free")
        _require_tensor(graph, graph.inputs, "features", "uint8", maps)
        _require_tensor(graph, graph.inputs, "group", "int16", group_shape)
        _require_tensor(graph, graph.inputs, "row", "int64", ("free",))
        if decoded_channels:
            _require_tensor(
                graph, graph.inputs, "before", "int16", ("free", decoded_channels, "free", "free")
            )
        _require_tensor(graph, graph.outputs, "means", "int16", group_shape)
        _require_tensor(graph, graph.outputs, "levels", "uint8", group_shape)
        decoded_channels += group.channels


def _check_faces(task: FaceGeneration, generator: ModelFile) -> None:
    images: _Shape = ("free", task.height, task.width, CHANNELS[task.mode])
    _require_tensor(generator, generator.inputs, "latents", "float32", ("free", task.latent))
    _require_tensor(generator, generator.outputs, "images", "uint8", images)


def _check_text_generation(task: TextGeneration, step: ModelFile) -> None:
    _require_tensor(step, step.inputs, "tokens", "int64", ("free", "free"))
    _require_tensor(step, step.outputs, "logits", "float32", ("free", "free", len(task.vocabulary)))
    _check_states(step, task.states, {"tokens"})


def _check_handwriting(task: HandwritingGeneration, step: ModelFile) -> None:
    _require_tensor(step, step.inputs, "moves", "float32", ("free", "free", 5))
    _require_tensor(step, step.inputs, "symbols", "int64", ("free", "free"))
    outputs = 6 * task.components + 3
    _require_tensor(step, step.outputs, "mixture", "float32", ("free", "free", outputs))
    _check_states(step, task.states, {"moves", "symbols"})


def _check_states(
    step: ModelFile, states: Sequence[RecurrentState], other_inputs: set[str]
) -> None:
    for state in states:
        shape: _Shape = (state.layers, "free", state.width)
        _require_tensor(step, step.inputs, state.name, "float32", shape)
        _require_tensor(step, step.outputs, state.next, "float32", shape)
    unknown = {spec.name for spec in step.inputs} - other_inputs - {state.name for state in states}
    if unknown:
        raise ManifestError(f"{step.path} wants {', '.join(sorted(unknown))}, which no state is")


def _require_tensor(
    graph: ModelFile,
    tensors: tuple[TensorSpec, ...],
    name: str,
    dtype: str,
    shape: _Shape,
) -> None:
    spec = next((tensor for tensor in tensors if tensor.name == name), None)
    if spec is None:
        raise ManifestError(f"{graph.path} has no {name}, which its task needs")
    if spec.dtype != dtype or not _shape_matches(spec.shape, shape):
        raise ManifestError(
            f"{graph.path}: {name} is {spec.dtype} {list(spec.shape)}, its task needs {dtype} "
            f"{list(shape)}"
        )


def _shape_matches(shape: tuple[int | str, ...], expected: _Shape) -> bool:
    """A dimension that the graph names takes any size; `free` insists on such a one."""
    return len(shape) == len(expected) and all(
        isinstance(size, str) or expected_size in ("any", size)
        for size, expected_size in zip(shape, expected, strict=True)
    )
