"""What is served at one moment: an immutable picture of the store, which requests resolve against.

The registry replaces the whole picture at once, so a request reads it without a lock and keeps
the version that it resolved, even when that is unloaded while the request is under way.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NoReturn, TypeGuard, TypeVar

from models_store.manifest import Manifest
from models_store.tasks import (
    Classification,
    Compression,
    Denoising,
    FreeImage,
    Task,
    TextGeneration,
)
from service.errors import NotFound, Unavailable
from service.runtime.loaded_model import Published

__all__ = ["Entry", "Shelf", "Stamp", "State"]

State = Literal["ready", "loading", "failed", "unloaded"]
Stamp = tuple[tuple[str, int, int], ...]
TaskT = TypeVar("TaskT", bound=Task)


@dataclass(frozen=True)
class Entry:
    """One version on the shelf, served or not."""

    name: str
    version: int
    state: State
    reason: str | None = None
    """Why it is not ready; of a ready one, why a change on the disk was not taken."""
    manifest: Manifest | None = None
    """None until it has been read, and where it cannot be."""
    model: Published[Task] | None = None
    """Present when ready."""
    stamp: Stamp = ()
    """Names, sizes and times of the files that this was judged by."""

    @property
    def key(self) -> tuple[str, int]:
        return self.name, self.version

    @property
    def because(self) -> str:
        """The reason in brackets, where there is one."""
        return f" ({self.reason})" if self.reason else ""


@dataclass(frozen=True)
class Shelf:
    """All versions, and the rules by which a request gets one of them."""

    entries: Mapping[tuple[str, int], Entry] = field(default_factory=dict)
    chosen: Mapping[str, str] = field(default_factory=dict)
    """Task kind → model name, where the operator chose a default."""
    complete: bool = False
    """False until the first look at the store is over."""
    problem: str | None = None
    """Why the store could not be looked at, the last time."""

    def with_entry(self, entry: Entry) -> "Shelf":
        return self._replace({**self.entries, (entry.name, entry.version): entry})

    def without(self, keys: set[tuple[str, int]]) -> "Shelf":
        return self._replace({k: entry for k, entry in self.entries.items() if k not in keys})

    def _replace(self, entries: Mapping[tuple[str, int], Entry]) -> "Shelf":
        return Shelf(entries, self.chosen, self.complete, self.problem)

    @cached_property
    def by_name(self) -> Mapping[str, Mapping[int, Entry]]:
        """Names in order; of each, versions ascending."""
        names: dict[str, dict[int, Entry]] = {}
        for (name, version), entry in sorted(self.entries.items()):
            names.setdefault(name, {})[version] = entry
        return names

    @cached_property
    def served(self) -> Mapping[str, Published[Task]]:
        """Of each name, what a request gets that asks for no version: the highest ready one."""
        return {
            name: models[-1]
            for name, versions in self.by_name.items()
            if (models := [entry.model for entry in versions.values() if entry.model])
        }

    @cached_property
    def defaults(self) -> Mapping[str, str]:
        """Task kind → the name that answers when a request names none.

        The operator's choice, ready or not: a request must not silently get another model's
        answer. Else the ready model that knows the most: of classifiers, the most labels, so that
        one trained for ants and bees is asked only by name; of those that write, the largest state;
        of denoisers, one of colour, which takes grey pictures too; of codecs, one for pictures of
        any size. Then the first name in order. An ensemble only where there is nothing else: it
        costs several times what a caller expects.
        """
        names: dict[str, str] = {}
        for name, model in sorted(self.served.items(), key=lambda item: _rank(*item)):
            names.setdefault(model.task.kind, name)
        return {**names, **self.chosen}

    def resolve(
        self, task: type[TaskT], name: str | None = None, version: int | None = None
    ) -> Published[TaskT]:
        """The model to ask.

        Raises:
            NotFound: no such name or version, or it does something else; says what there is.
            Unavailable: it is there, but is not ready; says why.
        """
        kind: str = task.model_fields["kind"].default
        if name is None:
            name = self.defaults.get(kind)
            if name is None:
                self._no_default(kind)
            if name not in self.by_name:
                raise Unavailable(f"the default model for {kind}, {name}, is not on the shelf")
        model = self.served.get(name) if version is None else self._version(name, version)
        if model is None:
            self._not_served(name, kind)
        if not _does(model, task):
            raise NotFound(
                f"{name} {model.version} does {model.task.kind}, not {kind}; {self._instead(kind)}",
                available=self._names(kind),
            )
        return model

    def entry(self, name: str, version: int | None = None) -> Entry:
        """One version, whatever its state: the given one, else the served, else the highest.

        Raises:
            NotFound: saying what there is.
        """
        versions = self.by_name.get(name)
        if versions is None:
            raise NotFound(
                f"there is no model {_quote(name)}; there are: {_list(self.by_name)}",
                available=list(self.by_name),
            )
        if version is None:
            served = self.served.get(name)
            version = served.version if served else max(versions)
        entry = versions.get(version)
        if entry is None:
            raise NotFound(
                f"{name} has no version {version}; versions there: {_list(versions)}",
                available=list(versions),
            )
        return entry

    def count(self, state: State) -> int:
        return sum(entry.state == state for entry in self.entries.values())

    def _version(self, name: str, version: int) -> Published[Task]:
        entry = self.entry(name, version)
        if entry.model is None:
            raise Unavailable(f"{name} {version} is {entry.state}{entry.because}")
        return entry.model

    def _not_served(self, name: str, kind: str) -> NoReturn:
        versions = self.by_name.get(name)
        if versions is None:
            raise NotFound(
                f"there is no model {_quote(name)}; {self._instead(kind)}",
                available=self._names(kind),
            )
        reasons = "; ".join(f"{e.version} is {e.state}{e.because}" for e in versions.values())
        raise Unavailable(f"no version of {name} is ready: {reasons}")

    def _no_default(self, kind: str) -> NoReturn:
        if not self.complete or self.count("loading"):
            raise Unavailable("the models are still being loaded; try again in a moment")
        stuck = [entry for entry in self.entries.values() if entry.state != "ready"]
        if stuck:
            listed = "; ".join(f"{e.name} {e.version} is {e.state}{e.because}" for e in stuck)
            raise Unavailable(f"no model for {kind} is ready: {listed}")
        raise NotFound(f"there is no model for {kind} on the shelf", available=[])

    def _names(self, kind: str) -> list[str]:
        return [name for name, model in self.served.items() if model.task.kind == kind]

    def _instead(self, kind: str) -> str:
        return f"models for {kind}: {_list(self._names(kind))}"


def _rank(name: str, model: Published[Task]) -> tuple[bool, int, str]:
    return model.is_ensemble, -_knowledge(model.task), name


def _knowledge(task: Task) -> int:
    if isinstance(task, Classification):
        return len(task.labels)
    if isinstance(task, Compression):
        # Any picture as it is, before a picture brought to one size.
        return int(isinstance(task.image, FreeImage))
    if isinstance(task, TextGeneration):
        return sum(state.layers * state.width for state in task.states)
    if isinstance(task, Denoising):
        return int(task.image.mode == "RGB")
    return 0


def _does(model: Published[Task], task: type[TaskT]) -> TypeGuard[Published[TaskT]]:
    return isinstance(model.task, task)


def _list(items: Mapping[str, object] | Mapping[int, object] | list[str]) -> str:
    return ", ".join(map(str, items)) or "none"


def _quote(name: str) -> str:
    """A client's text inside a message: printable and short."""
    return repr(name if len(name) <= 64 else name[:61] + "...")
