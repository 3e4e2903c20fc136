"""Keeps the shelf in memory equal to the store on disk, one verified version at a time."""

import logging
import threading
import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import inf
from pathlib import Path

from models_store.errors import StoreError
from models_store.layout import model_names, version_dir, versions
from models_store.manifest import Manifest, Precision
from models_store.signing.signatures import TrustedKeys
from models_store.verify import read_manifest
from service.errors import Away, NotFound, Unavailable
from service.runtime.catalog import Entry, Shelf, Stamp
from service.runtime.loaded_model import OpenGraph, load, open_session
from service.runtime.memory import give_back
from service.runtime.model_control import Order, Orders

__all__ = ["Registry"]

_log = logging.getLogger(__name__)

Key = tuple[str, int]


class Registry:
    """Loads what is on the shelf and swaps it in.

    `shelf` is one reference, replaced atomically: readers take it without a lock. `refresh` may
    be called at any time, from any thread; two calls take turns.
    """

    def __init__(
        self,
        store: Path,
        *,
        only: Collection[str] | None = None,
        defaults: Mapping[str, str] | None = None,
        threads: int = 1,
        orders: Orders | None = None,
        open_graph: OpenGraph = open_session,
        trusted: TrustedKeys | None = None,
        precision: Precision | None = None,
    ) -> None:
        """Serve from `store`; of its names, `only` these, unless `orders` say otherwise.

        `threads` load at the same time. Where keys are `trusted`, what none of them has signed
        is not loaded. Where a version has graphs of `precision`, these answer unless a request asks
        for others; without one, those that its manifest says.
        """
        self._store = store
        self._only = only
        self._threads = threads
        self._orders = orders or Orders()
        self._open_graph = open_graph
        self._trusted = trusted
        self._precision = precision
        self._ordered: Mapping[str, Order] = {}
        self._refreshing = threading.Lock()
        self._swapping = threading.Lock()
        self._shelf = Shelf(chosen=defaults or {})

    @property
    def shelf(self) -> Shelf:
        return self._shelf

    def load(self, name: str) -> None:
        """Load all versions of `name`, also those that failed before; keep it loaded.

        Raises:
            NotFound: the store has no such model. Unavailable: no version is good; says why.
        """
        self._order(name, "load")
        with (
            self._swapping
        ):  # a failed version is judged anew, as if it were seen for the first time
            failed = {e.key for e in self._versions(name) if e.state == "failed"}
            self._shelf = self._shelf.without(failed)
        self.refresh()
        if name not in self._shelf.served:
            reasons = "; ".join(
                f"{e.version} is {e.state}{e.because}" for e in self._versions(name)
            )
            raise Unavailable(f"no version of {name} could be loaded: {reasons or 'it vanished'}")

    def unload(self, name: str) -> None:
        """Unload all versions of `name`, and load none until `load` is called.

        Requests under way keep what they have. Raises NotFound: the store has no such model.
        """
        self._order(name, "unload")
        self.refresh()

    def _order(self, name: str, order: Order) -> None:
        if name not in model_names(self._store):
            self._shelf.entry(name)  # says what there is
            raise NotFound(f"{name} is not in the store any more")
        self._orders.give(name, order)
        _log.warning("ordered by hand", extra={"fields": {"model": name, "order": order}})

    def _versions(self, name: str) -> list[Entry]:
        return list(self._shelf.by_name.get(name, {}).values())

    def refresh(self, *, within_s: float = inf, threads: int | None = None) -> None:
        """Look at the store: load what is new or changed, drop what vanished.

        Idempotent. What serves goes on serving until its successor has proved good. A store
        that cannot be read at all changes nothing: a lost mount must not empty the shelf. After
        `within_s` seconds no more is begun; what was not stays in state "loading" for the next
        look. `threads` instead of the registry's own load at the same time.
        """
        ends = time.monotonic() + within_s
        with self._refreshing:
            self._ordered = self._orders.read()
            before = set(self._shelf.entries)
            try:
                found = self._scan()
            except (StoreError, OSError) as error:
                self._store_is_unreadable(error)
                return
            self._drop_vanished(found)
            waiting = [(key, stamp) for key, stamp in found.items() if self._is_new(key, stamp)]
            for key, stamp in waiting:
                if self._is_out(key):
                    self._put(self._first_sight(key, stamp))
            with ThreadPoolExecutor(threads or self._threads, thread_name_prefix="load") as pool:
                for entry in [pool.submit(self._judge, *item, ends) for item in waiting]:
                    entry.result()
            with self._swapping:
                complete = self._shelf.complete or time.monotonic() < ends
                self._shelf = replace(self._shelf, complete=complete, problem=None)
            if waiting or before - set(found):
                give_back()

    def _scan(self) -> dict[Key, Stamp]:
        return {
            (name, version): _stamp(self._store / name / str(version))
            for name in model_names(self._store)
            for version in versions(self._store, name)
        }

    def _is_new(self, key: Key, stamp: Stamp) -> bool:
        known = self._shelf.entries.get(key)
        if known is None or known.state == "loading":  # a look that was cut short left it so
            return True
        return known.stamp != stamp or self._is_out(key)

    def _is_out(self, key: Key) -> bool:
        """Whether what is known of it, if anything, must give way before it is judged."""
        known = self._shelf.entries.get(key)
        held = self._held(key)
        if known is None:
            return True
        return known.reason != held if known.state == "unloaded" else held is not None

    def _held(self, key: Key) -> str | None:
        """Why it is not to be loaded."""
        order = self._ordered.get(key[0])
        if order == "unload":
            return "unloaded by the administrator"
        if order is None and self._only is not None and key[0] not in self._only:
            return "not among the models that this service was told to serve"
        return None

    def _first_sight(self, key: Key, stamp: Stamp) -> Entry:
        reason = self._held(key)
        if reason is not None:
            return Entry(*key, state="unloaded", reason=reason, stamp=stamp)
        return Entry(*key, state="loading", stamp=stamp)

    def _judge(self, key: Key, stamp: Stamp, ends: float) -> None:
        """Load one version and put the verdict on the shelf; a failure is a verdict too."""
        if time.monotonic() >= ends:
            return
        known = self._shelf.entries.get(key)
        if known is not None and known.state == "unloaded":
            self._put(replace(known, manifest=self._manifest(key), stamp=stamp))
            return
        manifest: Manifest | None = None
        try:
            folder = version_dir(self._store, *key)
            manifest = read_manifest(folder, self._trusted)
            model = load(folder, manifest, self._open_graph, self._precision)
        except StoreError as error:
            if isinstance(error.__cause__, Away):
                self._postpone(key, manifest, str(error.__cause__))
            else:
                self._fail(key, stamp, manifest, str(error))
        except Exception as error:  # noqa: BLE001  # one model's trouble must stay its own
            _log.exception("model could not be loaded", extra=_fields(key))
            # Foreign messages may hold paths; this reason is shown to clients.
            self._fail(key, stamp, manifest, f"it could not be loaded ({type(error).__name__})")
        else:
            self._put(Entry(*key, state="ready", manifest=manifest, model=model, stamp=stamp))
            _log.info("model ready", extra=_fields(key))

    def _manifest(self, key: Key) -> Manifest | None:
        try:
            return read_manifest(version_dir(self._store, *key), self._trusted)
        except StoreError:
            return None

    def _fail(self, key: Key, stamp: Stamp, manifest: Manifest | None, reason: str) -> None:
        known = self._shelf.entries.get(key)
        if known is not None and known.model is not None:
            kept = f"its files changed and do not verify, what was loaded before serves: {reason}"
            self._put(replace(known, reason=kept, stamp=stamp))
        else:
            failed = Entry(*key, state="failed", reason=reason, manifest=manifest, stamp=stamp)
            self._put(failed)
        _log.error("model failed", extra=_fields(key, reason=reason))

    def _postpone(self, key: Key, manifest: Manifest | None, reason: str) -> None:
        """Nothing was found out about it: the next look judges it anew."""
        known = self._shelf.entries.get(key)
        if known is None or known.model is None:
            self._put(Entry(*key, state="loading", reason=reason, manifest=manifest, stamp=()))
        _log.warning("model not loaded yet", extra=_fields(key, reason=reason))

    def _drop_vanished(self, found: Mapping[Key, Stamp]) -> None:
        vanished = set(self._shelf.entries) - set(found)
        with self._swapping:
            self._shelf = self._shelf.without(vanished)
        for key in sorted(vanished):
            _log.info("model dropped: its folder vanished", extra=_fields(key))

    def _put(self, entry: Entry) -> None:
        with self._swapping:
            self._shelf = self._shelf.with_entry(entry)

    def _store_is_unreadable(self, error: StoreError | OSError) -> None:
        problem = "the store cannot be read"  # clients see this; where it lies is for the log
        if problem != self._shelf.problem:
            _log.error("store cannot be read", extra={"fields": {"reason": str(error)}})
        with self._swapping:
            self._shelf = replace(self._shelf, complete=True, problem=problem)


def _stamp(folder: Path) -> Stamp:
    """Cheap enough for every look at the store; a published version is never changed in place."""
    try:
        stats = [(entry.name, entry.lstat()) for entry in folder.iterdir()]
    except OSError:
        return ()
    return tuple(sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats))


def _fields(key: Key, **more: object) -> dict[str, object]:
    return {"fields": {"model": key[0], "version": key[1], **more}}
