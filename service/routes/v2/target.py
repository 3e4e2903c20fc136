"""Models of `/v2`: a graph of a published version, or text generation.

A model with one graph keeps its name. With several graphs, the first one of its task has the plain
name, and each is also `name.role`: `autoencoder` encodes, `autoencoder.decoder` decodes. A text
model's plain name takes and returns texts; `name.step` is its graph.
"""

from dataclasses import dataclass, replace
from typing import get_args

from starlette.requests import Request

from models_store.manifest import Manifest, ModelFile, Precision
from models_store.tasks import Task, TextGeneration
from service.codecs.tensors import BYTES
from service.errors import BadRequest, InvalidValue, NotFound
from service.routes.v2.openapi_fragments import MAX_PATH_CHARS
from service.runtime.catalog import ModelCatalog
from service.runtime.loaded_model import LoadedModel
from service.state import get_state

TEXT_INPUT = "text_input"
TEXT_OUTPUTS = {"text_output": BYTES, "finish_reason": BYTES, "seed": "INT64"}
"""The first two names are those of Triton's own backends for texts."""


@dataclass(frozen=True)
class InferTarget:
    """A version of a model that is ready."""

    name: str
    """Name in the request."""
    versions: tuple[int, ...]
    """All versions that are ready."""
    model: LoadedModel[Task]
    graph: ModelFile | None
    """None if the target generates texts."""

    @property
    def key(self) -> tuple[str, int]:
        return self.name, self.model.version

    def require_graph(self) -> ModelFile:
        """Return `graph`. Raises TypeError for the target that generates texts."""
        if self.graph is None:
            raise TypeError(f"{self.name} is not a graph")
        return self.graph

    def with_precision(self, precision: object) -> "InferTarget":
        """Return the target in the requested precision; None keeps the present one.

        Raises:
            InvalidValue: it is not a precision, or the model has no graphs of it; lists them.
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
        """True if each row of the inputs is an example with its own row of every output."""
        return self.graph is not None and self.graph.is_batchable


def protocol_names(manifest: Manifest) -> list[str]:
    """Return the `/v2` names of a published model, the plain name first."""
    roles = _graph_roles(manifest)
    suffix_roles = roles if isinstance(manifest.task, TextGeneration) else roles[1:]
    return [manifest.name, *(f"{manifest.name}.{role}" for role in suffix_roles)]


def resolve_target(catalog: ModelCatalog, name: str, version: str | None = None) -> InferTarget:
    """Return the requested version, else the highest that is ready.

    Raises:
        NotFound: there is no such model or version; lists those that exist.
        Unavailable: it exists, but is not ready; says why.
    """
    model_name, _, role = name.partition(".")
    entry = catalog.get_version(model_name or name, _parse_version(name, version))
    model = entry.require_model()
    ready_versions = tuple(e.version for e in catalog.by_name[model_name].values() if e.model)
    return InferTarget(name, ready_versions, model, _find_graph(model.manifest, role))


def requested_model(request: Request) -> tuple[str, str | None]:
    """Return the model and the version in the path of `request`; raise BadRequest: too long."""
    params = request.path_params
    for name, limit in MAX_PATH_CHARS.items():
        if len(params.get(name, "")) > limit:
            raise BadRequest(f"{name}: must have at most {limit} characters")
    return params["model"], params.get("version")


def resolve_requested(request: Request) -> InferTarget:
    """Return the target that the path of `request` names; raises as `resolve_target`."""
    return resolve_target(get_state(request).registry.catalog, *requested_model(request))


def _find_graph(manifest: Manifest, role: str) -> ModelFile | None:
    roles = _graph_roles(manifest)
    if not role and isinstance(manifest.task, TextGeneration):
        return None
    if role and role not in roles:
        raise NotFound(
            f"{manifest.name} has no graph {role[:40]!r}; available: "
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
