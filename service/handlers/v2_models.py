"""What `/v2` calls a model: a graph of a published version, or the writing of texts.

A published model of one graph keeps its name. Of several, the first that its task lists has the
name alone, and each is `name.role` too: `autoencoder` encodes, `autoencoder.decoder` decodes. A
text model's name alone takes texts and gives texts; `name.step` is its graph.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from models_store.manifest import Manifest, ModelFile, Precision, TensorSpec
from models_store.tasks import Task, TextGeneration
from service.codecs.tensors import BYTES, DATATYPES
from service.errors import InvalidValue, NotFound, Unavailable
from service.runtime.catalog import ModelCatalog, ModelVersion
from service.runtime.loaded_model import Graph, LoadedModel
from service.schemas.v2 import ModelMetadata, TensorMetadata

__all__ = [
    "TEXT_INPUT",
    "TEXT_OUTPUTS",
    "InferTarget",
    "build_config",
    "build_metadata",
    "protocol_names",
    "resolve_target",
]

TEXT_INPUT = "text_input"
TEXT_OUTPUTS = {"text_output": BYTES, "finish_reason": BYTES, "seed": "INT64"}
"""The first two names are those of Triton's own backends for texts."""


@dataclass(frozen=True)
class InferTarget:
    """A version of a model that is ready."""

    name: str
    """As it was asked for."""
    versions: tuple[int, ...]
    """All that are ready."""
    model: LoadedModel[Task]
    graph: ModelFile | None
    """None where texts are written."""

    @property
    def key(self) -> tuple[str, int]:
        return self.name, self.model.version

    @property
    def session(self) -> Graph:
        if self.graph is None:
            raise RuntimeError(f"{self.name} is no graph")
        return self.model.graphs[self.graph.role]

    def with_precision(self, precision: object) -> "InferTarget":
        """The same in the precision that a request names; as it is where it names none.

        Raises:
            Invalid: that is no precision, or the model has none such; says which there are.
        """
        if precision is None:
            return self
        matches: list[Precision] = [item for item in get_args(Precision) if item == precision]
        if not matches:
            raise InvalidValue(
                f"parameters.precision is {str(precision)[:40]!r}; accepted: "
                f"{', '.join(get_args(Precision))}"
            )
        return replace(self, model=self.model.with_precision(matches[0]))

    @property
    def is_batchable(self) -> bool:
        """Whether each row of every input is an example, and gives a row of every output."""
        return self.graph is not None and _is_batchable(self.graph)


def protocol_names(manifest: Manifest) -> list[str]:
    """What `/v2` calls the parts of a published model, the most useful first."""
    roles = _graph_roles(manifest)
    suffix_roles = roles if isinstance(manifest.task, TextGeneration) else roles[1:]
    return [manifest.name, *(f"{manifest.name}.{role}" for role in suffix_roles)]


def resolve_target(catalog: ModelCatalog, name: str, version: str | None = None) -> InferTarget:
    """The version that was asked for, else the highest that is ready.

    Raises:
        NotFound: there is no such model or version; says what there is.
        Unavailable: it is there, but is not ready; says why.
    """
    model_name, _, role = name.partition(".")
    entry = catalog.get_version(model_name, _parse_version(name, version))
    if entry.model is None or entry.manifest is None:
        raise Unavailable(f"{model_name} {entry.version} is {entry.state}{entry.reason_suffix}")
    ready_versions = tuple(e.version for e in catalog.by_name[model_name].values() if e.model)
    return InferTarget(name, ready_versions, entry.model, _find_graph(entry, entry.manifest, role))


def _find_graph(entry: ModelVersion, manifest: Manifest, role: str) -> ModelFile | None:
    roles = _graph_roles(manifest)
    if not role and isinstance(manifest.task, TextGeneration):
        return None
    if role and role not in roles:
        raise NotFound(
            f"{entry.name} has no graph {role[:40]!r}; there are: "
            f"{', '.join(protocol_names(manifest))}",
            available=protocol_names(manifest),
        )
    graphs: dict[str, ModelFile] = {str(key): file for key, file in manifest.graphs().items()}
    return graphs[role or roles[0]]


def _graph_roles(manifest: Manifest) -> list[str]:
    return [role for role in manifest.task.roles if role in manifest.graphs()]


def _parse_version(name: str, version: str | None) -> int | None:
    if version is None:
        return None
    if not (version.isascii() and version.isdigit() and len(version) <= 9):
        raise NotFound(f"{name[:64]} has no version {version[:20]!r}; versions are whole numbers")
    return int(version)


def _is_batchable(graph: ModelFile) -> bool:
    tensors = (*graph.inputs, *graph.outputs)
    firsts = {tensor.shape[0] for tensor in tensors if tensor.shape}
    batch = next(iter(firsts))
    return (
        len(firsts) == 1
        and isinstance(batch, str)
        and not any(batch in tensor.shape[1:] for tensor in tensors)
    )


def build_metadata(target: InferTarget) -> ModelMetadata:
    """What it takes and gives."""
    return ModelMetadata(
        name=target.name,
        versions=[str(version) for version in target.versions],
        platform="onnxruntime_onnx" if target.graph else "deepshelf_text",
        inputs=[TensorMetadata(**tensor) for tensor in _input_specs(target)],
        outputs=[TensorMetadata(**tensor) for tensor in _output_specs(target)],
    )


def _input_specs(target: InferTarget) -> list[dict[str, Any]]:
    if target.graph is None:
        return [{"name": TEXT_INPUT, "datatype": BYTES, "shape": [-1]}]
    return [_tensor_spec(spec) for spec in target.graph.inputs]


def _output_specs(target: InferTarget) -> list[dict[str, Any]]:
    if target.graph is None:
        return [{"name": n, "datatype": kind, "shape": [-1]} for n, kind in TEXT_OUTPUTS.items()]
    return [_tensor_spec(spec) for spec in target.graph.outputs]


def _tensor_spec(spec: TensorSpec) -> dict[str, Any]:
    shape = [size if isinstance(size, int) else -1 for size in spec.shape]
    return {"name": spec.name, "datatype": DATATYPES[spec.dtype], "shape": shape}


def build_config(target: InferTarget, *, max_batch_size: int, threads: int) -> dict[str, Any]:
    """Triton's model configuration (`model_config.proto`, as JSON), as far as it applies here."""
    is_batched = target.is_batchable
    return {
        "name": target.name,
        "platform": "onnxruntime_onnx" if target.graph else "",
        "backend": "onnxruntime" if target.graph else "deepshelf",
        "version_policy": {"all": {}},
        "max_batch_size": max_batch_size if is_batched else 0,
        "input": _config_tensors(_input_specs(target), is_batched),
        "output": _config_tensors(_output_specs(target), is_batched),
        "instance_group": [{"name": target.name, "kind": "KIND_CPU", "count": threads}],
    }


def _config_tensors(tensors: Sequence[dict[str, Any]], is_batched: bool) -> list[dict[str, Any]]:
    return [
        {
            "name": tensor["name"],
            "data_type": "TYPE_"
            + ("STRING" if tensor["datatype"] == BYTES else tensor["datatype"]),
            "dims": tensor["shape"][1:] if is_batched else tensor["shape"],
        }
        for tensor in tensors
    ]
