"""Keeps the catalog in memory up to date with the store on disk."""

import logging
import threading
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from models_store.errors import StoreError
from models_store.layout import list_model_names, list_versions, version_dir
from models_store.manifest import Manifest
from models_store.signing.signatures import TrustedKeys
from models_store.verify import read_manifest
from service.errors import BackendUnreachable, NotFound, Unavailable
from service.runtime.catalog import FileStats, ModelCatalog, ModelVersion, VersionState
from service.runtime.graph_loader import DEFAULT_OPTIONS, LoadOptions
from service.runtime.memory import trim_malloc
from service.runtime.model_control import ModelOverrides, Override
from service.runtime.model_loader import load

_log = logging.getLogger(__name__)

VersionKey = tuple[str, int]


class Registry:
    """Loads the versions in the store into the catalog.

    `catalog` is replaced atomically, so readers need no lock. `refresh` may be called at any time
    and from any thread; concurrent calls run one after the other.
    """

    def __init__(
        self,
        store: Path,
        *,
        enabled_models: Collection[str] | None = None,
        defaults: Mapping[str, str] | None = None,
        threads: int = 1,
        overrides: ModelOverrides | None = None,
        trusted_keys: TrustedKeys | None = None,
        options: LoadOptions = DEFAULT_OPTIONS,
    ) -> None:
        """Serve `enabled_models` of `store` (default: all), unless `overrides` say otherwise.

        `threads` load at the same time. With `trusted_keys`, versions that none of them has signed
        are not loaded.
        """
        self._store = store
        self._enabled_models = enabled_models
        self._threads = threads
        self._overrides = overrides or ModelOverrides()
        self._trusted_keys = trusted_keys
        self._options = options
        self._current_overrides: Mapping[str, Override] = {}
        self._is_closed = False
        self._refresh_lock = threading.Lock()
        self._swap_lock = threading.Lock()
        self._catalog = ModelCatalog(default_overrides=defaults or {})

    @property
    def catalog(self) -> ModelCatalog:
        return self._catalog

    def close(self) -> None:
        """Load no further version, so that a scan in progress ends soon."""
        self._is_closed = True

    def load(self, name: str) -> None:
        """Load all versions of `name`, also those that failed before; keep it loaded.

        Raises:
            NotFound: the store has no such model. Unavailable: no version is good; says why.
        """
        self._set_override(name, "load")
        with self._swap_lock:  # forget failed versions, so that they are loaded again
            failed = {e.key for e in self._versions(name) if e.state == "failed"}
            self._catalog = self._catalog.without_versions(failed)
        self.refresh()
        if name not in self._catalog.served_models:
            reasons = "; ".join(entry.status for entry in self._versions(name))
            raise Unavailable(
                f"no version of {name} could be loaded: {reasons or 'it was removed'}"
            )

    def unload(self, name: str) -> None:
        """Unload all versions of `name`, and load none until `load` is called.

        Running requests complete. Raises NotFound: the store has no such model.
        """
        self._set_override(name, "unload")
        self.refresh()

    def _set_override(self, name: str, override: Override) -> None:
        if name not in list_model_names(self._store):
            self._catalog.get_version(name)  # raises an error that lists the models
            raise NotFound(f"{name} is no longer in the store")
        self._overrides.set_override(name, override)
        _log.warning("model control", extra={"fields": {"model": name, "order": override}})

    def _versions(self, name: str) -> list[ModelVersion]:
        return list(self._catalog.by_name.get(name, {}).values())

    def refresh(self) -> None:
        """Scan the store: load new and changed versions, drop removed ones.

        Idempotent. A version is served until its replacement has been verified. A store that
        cannot be read changes nothing: a lost mount must not empty the catalog.
        """
        with self._refresh_lock:
            self._current_overrides = self._overrides.read()
            previous = set(self._catalog.versions)
            try:
                found = self._scan()
            except (StoreError, OSError) as error:
                self._record_scan_error(error)
                return
            self._remove_vanished(found)
            pending = [
                (key, file_stats)
                for key, file_stats in found.items()
                if self._needs_loading(key, file_stats)
            ]
            for key, file_stats in pending:
                if self._needs_state_change(key):
                    self._set_entry(self._initial_entry(key, file_stats))
            with ThreadPoolExecutor(self._threads, thread_name_prefix="load") as pool:
                for future in [pool.submit(self._load_version, *item) for item in pending]:
                    future.result()
            with self._swap_lock:
                self._catalog = replace(self._catalog, first_scan_done=True, scan_error=None)
            if pending or previous - set(found):
                trim_malloc()

    def _scan(self) -> dict[VersionKey, FileStats]:
        return {
            (name, version): _file_stats(self._store / name / str(version))
            for name in list_model_names(self._store)
            for version in list_versions(self._store, name)
        }

    def _needs_loading(self, key: VersionKey, file_stats: FileStats) -> bool:
        current = self._catalog.versions.get(key)
        if current is None or current.state == "loading":  # its backend could not be reached
            return True
        return current.file_stats != file_stats or self._needs_state_change(key)

    def _needs_state_change(self, key: VersionKey) -> bool:
        """Return True if the version's current entry must be replaced before it is loaded."""
        known = self._catalog.versions.get(key)
        held = self._exclusion_reason(key)
        if known is None:
            return True
        return known.reason != held if known.state == "unloaded" else held is not None

    def _exclusion_reason(self, key: VersionKey) -> str | None:
        """Return why the version must not be loaded, or None."""
        override = self._current_overrides.get(key[0])
        if override == "unload":
            return "unloaded by the administrator"
        if (
            override is None
            and self._enabled_models is not None
            and key[0] not in self._enabled_models
        ):
            return "excluded by the setting DEEPSHELF_MODELS"
        return None

    def _initial_entry(self, key: VersionKey, file_stats: FileStats) -> ModelVersion:
        reason = self._exclusion_reason(key)
        if reason is not None:
            enabled = self._current_overrides.get(key[0]) == "unload"
            return ModelVersion(
                *key, state="unloaded", reason=reason, file_stats=file_stats, enabled=enabled
            )
        return ModelVersion(*key, state="loading", file_stats=file_stats)

    def _load_version(self, key: VersionKey, file_stats: FileStats) -> None:
        """Load one version and put the result, which may be a failure, into the catalog."""
        if self._is_closed:
            return
        state: VersionState
        current = self._catalog.versions.get(key)
        if current is not None and current.state == "unloaded":
            self._set_entry(
                replace(current, manifest=self._try_read_manifest(key), file_stats=file_stats)
            )
            return
        manifest: Manifest | None = None
        try:
            folder = version_dir(self._store, *key)
            manifest = read_manifest(folder, self._trusted_keys)
            model = load(folder, manifest, self._options)
        except StoreError as error:
            if isinstance(error.__cause__, BackendUnreachable):  # the next scan tries again
                state, reason, file_stats = "loading", str(error.__cause__), ()
            else:
                state, reason = "failed", str(error)
        except Exception as error:  # noqa: BLE001  # must not affect other models
            _log.exception("model could not be loaded", extra=_log_fields(key))
            # Clients see the reason, and messages of other libraries may contain paths.
            state, reason = "failed", f"it could not be loaded ({type(error).__name__})"
        else:
            entry = ModelVersion(
                *key, state="ready", manifest=manifest, model=model, file_stats=file_stats
            )
            self._set_entry(entry)
            _log.info("model ready", extra=_log_fields(key))
            return
        self._mark_not_loaded(
            ModelVersion(*key, state=state, reason=reason, manifest=manifest, file_stats=file_stats)
        )

    def _try_read_manifest(self, key: VersionKey) -> Manifest | None:
        try:
            return read_manifest(version_dir(self._store, *key), self._trusted_keys)
        except StoreError:
            return None

    def _mark_not_loaded(self, entry: ModelVersion) -> None:
        """Put `entry` into the catalog, unless an older copy of the version is still served."""
        current = self._catalog.versions.get(entry.key)
        if current is None or current.model is None:
            self._set_entry(entry)
        elif entry.state == "failed":
            reason = (
                "its files changed and do not verify; the copy in memory is still served: "
                f"{entry.reason}"
            )
            self._set_entry(replace(current, reason=reason, file_stats=entry.file_stats))
        fields = _log_fields(entry.key, reason=entry.reason)
        if entry.state == "failed":
            _log.error("model failed", extra=fields)
        else:
            _log.warning("model not loaded yet", extra=fields)

    def _remove_vanished(self, found: Mapping[VersionKey, FileStats]) -> None:
        vanished = set(self._catalog.versions) - set(found)
        with self._swap_lock:
            self._catalog = self._catalog.without_versions(vanished)
        for key in sorted(vanished):
            _log.info("model dropped: its folder was removed", extra=_log_fields(key))

    def _set_entry(self, entry: ModelVersion) -> None:
        with self._swap_lock:
            self._catalog = self._catalog.with_version(entry)

    def _record_scan_error(self, error: StoreError | OSError) -> None:
        problem = "the store cannot be read"  # clients see this; the log has the path
        if problem != self._catalog.scan_error:
            _log.error("store cannot be read", extra={"fields": {"reason": str(error)}})
        with self._swap_lock:
            self._catalog = replace(self._catalog, first_scan_done=True, scan_error=problem)


def _file_stats(folder: Path) -> FileStats:
    """Return sizes and times of the files, to detect changes without hashing at every scan."""
    try:
        stats = [(entry.name, entry.lstat()) for entry in folder.iterdir()]
    except OSError:
        return ()
    return tuple(sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats))


def _log_fields(key: VersionKey, **fields: object) -> dict[str, object]:
    return {"fields": {"model": key[0], "version": key[1], **fields}}
