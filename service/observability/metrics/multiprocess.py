"""How the workers of one service know of each other's counts: a file each, in one folder.

Every worker replaces its file once a second, so that what a scrape sees of the others is at most
that old. A worker that starts takes over the counts of one that died, because counters must not
fall; gauges of one that has been silent are left out.
"""

import json
import logging
import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from service.observability.metrics.counters import Samples, add_samples
from service.observability.metrics.definitions import METRICS
from service.observability.shared_dir import is_alive

__all__ = ["SnapshotExchange"]

_log = logging.getLogger(__name__)

_STALE_AFTER_S = 10.0


@dataclass(frozen=True)
class _Snapshot:
    """A worker's counts at a moment."""

    id: str
    pid: int
    written_at: float
    """`time.time()`, in seconds: monotonic clocks of two processes need not agree."""
    inherited_ids: tuple[str, ...]
    """Ids of dead workers whose counts are among these."""
    samples: Samples

    def to_json(self) -> str:
        rows = {
            name: [[list(labels), values] for labels, values in by_labels.items()]
            for name, by_labels in self.samples.items()
        }
        return json.dumps([self.id, self.pid, self.written_at, self.inherited_ids, rows])

    @staticmethod
    def from_json(text: str) -> "_Snapshot":
        """Raises ValueError, TypeError or KeyError where the text is none of ours."""
        name, pid, at, took_over, rows = json.loads(text)
        samples: Samples = {
            str(family): {tuple(labels): [float(v) for v in values] for labels, values in pairs}
            for family, pairs in rows.items()
        }
        return _Snapshot(str(name), int(pid), float(at), tuple(took_over), samples)


class SnapshotExchange:
    """One worker's file, and a view of the others'."""

    def __init__(self, folder: Path) -> None:
        """Take over what dead workers left in `folder`, which exists."""
        self._folder = folder
        self._id = uuid.uuid4().hex
        self._inherited: Samples = {}
        snapshots = list(self._snapshots())
        inherited_ids = {name for snapshot in snapshots for name in snapshot.inherited_ids}
        dead = [
            snapshot
            for snapshot in snapshots
            if snapshot.id not in inherited_ids
            and not is_alive(snapshot.pid)
            and self._claim(snapshot.id)
        ]
        for snapshot in dead:
            add_samples(self._inherited, _without_gauges(snapshot.samples))
        # Also what these took over, should they have died before they could remove it.
        self._inherited_ids = tuple({name for one in dead for name in (one.id, *one.inherited_ids)})
        if dead:
            # In our file before theirs go: nobody may ever see both, or neither.
            self.write({})
            for suffix in (".json", ".claim"):
                for name in self._inherited_ids:
                    (folder / f"{name}{suffix}").unlink(missing_ok=True)

    def write(self, samples: Samples) -> None:
        """Show `samples` to the other workers."""
        snapshot = _Snapshot(
            self._id, os.getpid(), time.time(), self._inherited_ids, self._add_inherited(samples)
        )
        temporary = self._folder / f"{self._id}.part"
        temporary.write_text(snapshot.to_json(), encoding="utf-8")
        temporary.replace(self._folder / f"{self._id}.json")

    def total(self, samples: Samples) -> Samples:
        """What all workers counted together, this one with `samples`."""
        total = self._add_inherited(samples)
        others = [snapshot for snapshot in self._snapshots() if snapshot.id != self._id]
        inherited_ids = {
            *self._inherited_ids,
            *(name for snapshot in others for name in snapshot.inherited_ids),
        }
        now = time.time()
        for snapshot in others:
            if snapshot.id not in inherited_ids:
                is_stale = now - snapshot.written_at > _STALE_AFTER_S or not is_alive(snapshot.pid)
                add_samples(
                    total, _without_gauges(snapshot.samples) if is_stale else snapshot.samples
                )
        return total

    def _add_inherited(self, samples: Samples) -> Samples:
        total: Samples = {}
        add_samples(total, self._inherited)
        add_samples(total, samples)
        return total

    def _claim(self, name: str) -> bool:
        """Of several that start at once, one takes over."""
        try:
            (self._folder / f"{name}.claim").touch(exist_ok=False)
        except FileExistsError:
            return False
        return (self._folder / f"{name}.json").exists()

    def _snapshots(self) -> Iterator[_Snapshot]:
        for path in sorted(self._folder.glob("*.json")):
            try:
                yield _Snapshot.from_json(path.read_text(encoding="utf-8"))
            except FileNotFoundError:
                continue  # taken over since we looked
            except (OSError, ValueError, TypeError, KeyError, AttributeError):
                _log.warning("metrics snapshot is damaged", extra={"fields": {"file": path.name}})


def _without_gauges(samples: Samples) -> Samples:
    return {
        name: by_labels
        for name, by_labels in samples.items()
        if name in METRICS and METRICS[name].kind != "gauge"
    }
