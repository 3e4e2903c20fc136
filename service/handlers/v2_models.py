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
from service.errors import Invalid, NotFound, Unavailable
from service.runtime.catalog import Entry, Shelf
from service.runtime.loaded_model import Graph, Published
from service.schemas.v2 import ModelMetadata, TensorMetadata

__all__ = ["TEXT_INPUT", "TEXT_OUTPUTS", "Found", "config", "find", "metadata", "names"]

TEXT_INPUT = "text_input"
TEXT_OUTPUTS = {"text_output": BYTES, "finish_reason": BYTES, "seed": "INT64"}
"""The first two names are those of Triton's own backends for texts."""


@dataclass(frozen=True)
class Found:
    """A version of a model that is ready."""

    name: str
    """As it was asked for."""
    versions: tuple[int, ...]
    """All that are ready."""
    model: Published[Task]
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

    def at(self, precision: object) -> "Found":
        """The same in the precision that a request names; as it is where it names none.

        Raises:
            Invalid: that is no precision, or the model has none such; says which there are.
        """
        if precision is None:
            return self
        named: list[Precision] = [one for one in get_args(Precision) if one == precision]
        if not named:
            raise Invalid(
                f"parameters.precision is {str(precision)[:40]!r}; accepted: "
                f"{', '.join(get_args(Precision))}"
            )
        return replace(self, model=self.model.at(named[0]))

    @property
    def by_rows(self) -> bool:
        """Whether each row of every input is an example, and gives a row of every output."""
        return self.graph is not None and _by_rows(self.graph)


def names(manifest: Manifest) -> list[str]:
    """What `/v2` calls the parts of a published model, the most useful first."""
    roles = _roles(manifest)
    others = roles if isinstance(manifest.task, TextGeneration) else roles[1:]
    return [manifest.name, *(f"{manifest.name}.{role}" for role in others)]


def find(shelf: Shelf, name: str, version: str | None = None) -> Found:
    """The version that was asked for, else the highest that is ready.

    Raises:
        NotFound: there is no such model or version; says what there is.
        Unavailable: it is there, but is not ready; says why.
    """
    published, _, role = name.partition(".")
    entry = shelf.entry(published, _number(name, version))
    if entry.model is None or entry.manifest is None:
        raise Unavailable(f"{published} {entry.version} is {entry.state}{entry.because}")
    ready = tuple(e.version for e in shelf.by_name[published].values() if e.model)
    return Found(name, ready, entry.model, _graph(entry, entry.manifest, role))


def _graph(entry: Entry, manifest: Manifest, role: str) -> ModelFile | None:
    roles = _roles(manifest)
    if not role and isinstance(manifest.task, TextGeneration):
        return None
    if role and role not in roles:
        raise NotFound(
            f"{entry.name} has no graph {role[:40]!r}; there are: {', '.join(names(manifest))}",
            available=names(manifest),
        )
    graphs: dict[str, ModelFile] = {str(key): file for key, file in manifest.graphs().items()}
    return graphs[role or roles[0]]


def _roles(manifest: Manifest) -> list[str]:
    return [role for role in manifest.task.roles if role in manifest.graphs()]


def _number(name: str, version: str | None) -> int | None:
    if version is None:
        return None
    if not (version.isascii() and version.isdigit() and len(version) <= 9):
        raise NotFound(f"{name[:64]} has no version {version[:20]!r}; versions are whole numbers")
    return int(version)


def _by_rows(graph: ModelFile) -> bool:
    tensors = (*graph.inputs, *graph.outputs)
    firsts = {tensor.shape[0] for tensor in tensors if tensor.shape}
    batch = next(iter(firsts))
    return (
        len(firsts) == 1
        and isinstance(batch, str)
        and not any(batch in tensor.shape[1:] for tensor in tensors)
    )


def metadata(found: Found) -> ModelMetadata:
    """What it takes and gives."""
    return ModelMetadata(
        name=found.name,
        versions=[str(version) for version in found.versions],
        platform="onnxruntime_onnx" if found.graph else "deepshelf_text",
        inputs=[TensorMetadata(**one) for one in _inputs(found)],
        outputs=[TensorMetadata(**one) for one in _outputs(found)],
    )


def _inputs(found: Found) -> list[dict[str, Any]]:
    if found.graph is None:
        return [{"name": TEXT_INPUT, "datatype": BYTES, "shape": [-1]}]
    return [_tensor(spec) for spec in found.graph.inputs]


def _outputs(found: Found) -> list[dict[str, Any]]:
    if found.graph is None:
        return [{"name": n, "datatype": kind, "shape": [-1]} for n, kind in TEXT_OUTPUTS.items()]
    return [_tensor(spec) for spec in found.graph.outputs]


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    shape = [size if isinstance(size, int) else -1 for size in spec.shape]
    return {"name": spec.name, "datatype": DATATYPES[spec.dtype], "shape": shape}


def config(found: Found, *, most_rows: int, threads: int) -> dict[str, Any]:
    """Triton's model configuration (`model_config.proto`, as JSON), as far as it applies here."""
    batched = found.by_rows
    return {
        "name": found.name,
        "platform": "onnxruntime_onnx" if found.graph else "",
        "backend": "onnxruntime" if found.graph else "deepshelf",
        "version_policy": {"all": {}},
        "max_batch_size": most_rows if batched else 0,
        "input": _configured(_inputs(found), batched),
        "output": _configured(_outputs(found), batched),
        "instance_group": [{"name": found.name, "kind": "KIND_CPU", "count": threads}],
    }


def _configured(tensors: Sequence[dict[str, Any]], batched: bool) -> list[dict[str, Any]]:
    return [
        {
            "name": tensor["name"],
            "data_type": "TYPE_"
            + ("STRING" if tensor["datatype"] == BYTES else tensor["datatype"]),
            "dims": tensor["shape"][1:] if batched else tensor["shape"],
        }
        for tensor in tensors
    ]
