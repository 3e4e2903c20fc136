"""The catalog: an immutable snapshot of the served versions, which requests resolve against.

The registry replaces the snapshot as a whole. Requests read it without a lock and keep the version
they resolved, even if it is unloaded meanwhile.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property
from typing import Literal, NoReturn, TypeGuard, TypeVar

from models_store.compression.container import fingerprint
from models_store.manifest import Manifest
from models_store.tasks import Compression, Task
from models_store.validation_messages import truncate
from service.errors import NotFound, Unavailable
from service.runtime.default_models import select_defaults
from service.runtime.loaded_model import LoadedModel

VersionState = Literal["ready", "loading", "failed", "unloaded"]
FileStats = tuple[tuple[str, int, int], ...]
TaskT = TypeVar("TaskT", bound=Task)


@dataclass(frozen=True)
class ModelVersion:
    """One version in the store, served or not."""

    name: str
    version: int
    state: VersionState
    reason: str | None = None
    """Why it is not ready; for a ready version, why changed files were not loaded."""
    manifest: Manifest | None = None
    """None until it has been read, or if it cannot be read."""
    model: LoadedModel[Task] | None = None
    """Present when ready."""
    file_stats: FileStats = ()
    """Names, sizes and times of the files when they were loaded or failed to load."""
    enabled: bool = True
    """False if the settings exclude the model; it is then never a default."""

    @property
    def key(self) -> tuple[str, int]:
        return self.name, self.version

    @property
    def status(self) -> str:
        """The version with its state and the reason for it, for messages."""
        reason = f" ({self.reason})" if self.reason else ""
        return f"{self.version} is {self.state}{reason}"

    def require_model(self) -> LoadedModel[Task]:
        """Return `model`. Raises Unavailable: the version is not ready; says why."""
        if self.model is None:
            raise Unavailable(f"{self.name} {self.status}")
        return self.model


@dataclass(frozen=True)
class ModelCatalog:
    """All versions, and the rules that select one for a request."""

    versions: Mapping[tuple[str, int], ModelVersion] = field(default_factory=dict)
    default_overrides: Mapping[str, str] = field(default_factory=dict)
    """Task kind → model name, for tasks whose default the operator has set."""
    first_scan_done: bool = False
    """False until the first scan of the store has ended."""
    scan_error: str | None = None
    """Why the last scan of the store failed."""

    def with_version(self, entry: ModelVersion) -> "ModelCatalog":
        return replace(self, versions={**self.versions, entry.key: entry})

    def without_versions(self, keys: set[tuple[str, int]]) -> "ModelCatalog":
        remaining = {key: entry for key, entry in self.versions.items() if key not in keys}
        return replace(self, versions=remaining)

    @cached_property
    def by_name(self) -> Mapping[str, Mapping[int, ModelVersion]]:
        """Names in order, each with its versions in ascending order."""
        names: dict[str, dict[int, ModelVersion]] = {}
        for (name, version), entry in sorted(self.versions.items()):
            names.setdefault(name, {})[version] = entry
        return names

    @cached_property
    def served_models(self) -> Mapping[str, LoadedModel[Task]]:
        """The highest ready version of each name, which requests without a version get."""
        return {
            name: models[-1]
            for name, versions in self.by_name.items()
            if (models := [entry.model for entry in versions.values() if entry.model])
        }

    @cached_property
    def defaults(self) -> Mapping[str, str]:
        """Task kind → name of the model for requests that name none, ready or not.

        The operator's choice, else the one that `select_defaults` prefers.
        """
        return {
            **select_defaults(self._enabled_manifests, self.served_models),
            **self.default_overrides,
        }

    @cached_property
    def _enabled_manifests(self) -> Mapping[str, Manifest]:
        """Name → manifest of the highest version that has been read."""
        return {
            entry.name: entry.manifest
            for _, entry in sorted(self.versions.items())
            if entry.manifest is not None and entry.enabled
        }

    def resolve(
        self, task: type[TaskT], name: str | None = None, version: int | None = None
    ) -> LoadedModel[TaskT]:
        """Return the model for a request that names `name` and `version`, or neither.

        Raises:
            NotFound: no such name or version, or it has another task; lists those that exist.
            Unavailable: it exists, but is not ready; says why.
        """
        kind: str = task.model_fields["kind"].default
        if name is None:
            name = self.defaults.get(kind)
            if name is None:
                self._raise_no_default(kind)
            if name not in self.by_name:
                raise Unavailable(f"the default model for {kind}, {name}, is not in the store")
        model = (
            self.served_models.get(name)
            if version is None
            else self.get_version(name, version).require_model()
        )
        if model is None:
            self._raise_not_served(name, kind)
        if not _has_task(model, task):
            raise NotFound(
                f"{name} {model.version} does {model.task.kind}, not {kind}; "
                f"{self._alternatives(kind)}",
                available=self._names(kind),
            )
        return model

    def resolve_fingerprint(self, code_fingerprint: bytes) -> LoadedModel[Compression]:
        """Return the model that wrote a code.

        Raises:
            NotFound: no model here has this fingerprint.
            Unavailable: it is there, but is not ready; says why.
        """
        entries = self._codecs.get(code_fingerprint, [])
        for entry in entries:
            if entry.model is not None and _has_task(entry.model, Compression):
                return entry.model
        if entries:
            entries[0].require_model()
        if not self.first_scan_done or self.count("loading"):
            raise Unavailable("the models are still being loaded; try again in a moment")
        raise NotFound(
            f"no model in the store made this code, whose fingerprint is {code_fingerprint.hex()}; "
            f"{self._alternatives('compression')}",
            available=self._names("compression"),
            reason="another model",
        )

    @cached_property
    def _codecs(self) -> Mapping[bytes, list[ModelVersion]]:
        """Versions by the fingerprint in the codes that they write."""
        codecs: dict[bytes, list[ModelVersion]] = {}
        for _, entry in sorted(self.versions.items()):
            if entry.manifest is not None and isinstance(entry.manifest.task, Compression):
                codecs.setdefault(fingerprint(entry.manifest), []).append(entry)
        return codecs

    def get_version(self, name: str, version: int | None = None) -> ModelVersion:
        """Return a version in any state: the given one, else the served, else the highest.

        Raises:
            NotFound: there is none; lists those that exist.
        """
        versions = self.by_name.get(name)
        if versions is None:
            names = list(self.by_name)
            raise _no_model(name, names, f"models: {_format_list(names)}")
        if version is None:
            served = self.served_models.get(name)
            version = served.version if served else max(versions)
        entry = versions.get(version)
        if entry is None:
            raise NotFound(
                f"{name} has no version {version}; versions: {_format_list(versions)}",
                available=list(versions),
            )
        return entry

    @cached_property
    def graphs_by_provider(self) -> Mapping[str, int]:
        """Count the graphs of ready versions in this process by their execution provider."""
        models = [entry.model for entry in self.versions.values() if entry.model]
        models += [variant for model in models for variant in model.variants.values()]
        return Counter(provider for model in models for provider in model.providers.values())

    def count(self, state: VersionState) -> int:
        return sum(entry.state == state for entry in self.versions.values())

    def _raise_not_served(self, name: str, kind: str) -> NoReturn:
        versions = self.by_name.get(name)
        if versions is None:
            raise _no_model(name, self._names(kind), self._alternatives(kind))
        reasons = "; ".join(entry.status for entry in versions.values())
        raise Unavailable(f"no version of {name} is ready: {reasons}")

    def _raise_no_default(self, kind: str) -> NoReturn:
        if not self.first_scan_done or self.count("loading"):
            raise Unavailable("the models are still being loaded; try again in a moment")
        not_ready = [entry for entry in self.versions.values() if entry.state != "ready"]
        if not_ready:
            reasons = "; ".join(f"{entry.name} {entry.status}" for entry in not_ready)
            raise Unavailable(f"no model for {kind} is ready: {reasons}")
        raise NotFound(f"there is no model for {kind} in the store", available=[])

    def _names(self, kind: str) -> list[str]:
        return [name for name, model in self.served_models.items() if model.task.kind == kind]

    def _alternatives(self, kind: str) -> str:
        return f"models for {kind}: {_format_list(self._names(kind))}"


def _has_task(model: LoadedModel[Task], task: type[TaskT]) -> TypeGuard[LoadedModel[TaskT]]:
    return isinstance(model.task, task)


def _no_model(name: str, available: list[str], alternatives: str) -> NotFound:
    """Return the error that names the nearest model, or all that there are."""
    nearest = get_close_matches(name[:64], available, n=1)
    hint = f"did you mean {nearest[0]!r}?" if nearest else alternatives
    return NotFound(f"there is no model {truncate(name, 64)!r}; {hint}", available=available)


def _format_list(items: Mapping[str, object] | Mapping[int, object] | list[str]) -> str:
    return ", ".join(map(str, items)) or "none"
