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
from service.observability.metrics.definitions import FAMILIES
from service.observability.shared_dir import is_alive

__all__ = ["Share"]

_log = logging.getLogger(__name__)

_SILENT_S = 10.0


@dataclass(frozen=True)
class _Snapshot:
    """A worker's counts at a moment."""

    id: str
    pid: int
    at: float
    """`time.time()`, in seconds: monotonic clocks of two processes need not agree."""
    took_over: tuple[str, ...]
    """Ids of dead workers whose counts are among these."""
    samples: Samples

    def to_json(self) -> str:
        rows = {
            name: [[list(labels), values] for labels, values in by_labels.items()]
            for name, by_labels in self.samples.items()
        }
        return json.dumps([self.id, self.pid, self.at, self.took_over, rows])

    @staticmethod
    def from_json(text: str) -> "_Snapshot":
        """Raises ValueError, TypeError or KeyError where the text is none of ours."""
        name, pid, at, took_over, rows = json.loads(text)
        samples: Samples = {
            str(family): {tuple(labels): [float(v) for v in values] for labels, values in pairs}
            for family, pairs in rows.items()
        }
        return _Snapshot(str(name), int(pid), float(at), tuple(took_over), samples)


class Share:
    """One worker's file, and a view of the others'."""

    def __init__(self, folder: Path) -> None:
        """Take over what dead workers left in `folder`, which exists."""
        self._folder = folder
        self._id = uuid.uuid4().hex
        self._inherited: Samples = {}
        there = list(self._snapshots())
        taken = {name for one in there for name in one.took_over}
        dead = [
            one
            for one in there
            if one.id not in taken and not is_alive(one.pid) and self._claim(one.id)
        ]
        for snapshot in dead:
            add_samples(self._inherited, _counts(snapshot.samples))
        # Also what these took over, should they have died before they could remove it.
        self._took_over = tuple({name for one in dead for name in (one.id, *one.took_over)})
        if dead:
            # In our file before theirs go: nobody may ever see both, or neither.
            self.write({})
            for suffix in (".json", ".claim"):
                for name in self._took_over:
                    (folder / f"{name}{suffix}").unlink(missing_ok=True)

    def write(self, samples: Samples) -> None:
        """Show `samples` to the other workers."""
        snapshot = _Snapshot(
            self._id, os.getpid(), time.time(), self._took_over, self._with_inherited(samples)
        )
        part = self._folder / f"{self._id}.part"
        part.write_text(snapshot.to_json(), encoding="utf-8")
        part.replace(self._folder / f"{self._id}.json")

    def total(self, samples: Samples) -> Samples:
        """What all workers counted together, this one with `samples`."""
        total = self._with_inherited(samples)
        others = [one for one in self._snapshots() if one.id != self._id]
        gone = {*self._took_over, *(name for one in others for name in one.took_over)}
        now = time.time()
        for one in others:
            if one.id not in gone:
                silent = now - one.at > _SILENT_S or not is_alive(one.pid)
                add_samples(total, _counts(one.samples) if silent else one.samples)
        return total

    def _with_inherited(self, samples: Samples) -> Samples:
        together: Samples = {}
        add_samples(together, self._inherited)
        add_samples(together, samples)
        return together

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
                _log.warning("a file of counts is damaged", extra={"fields": {"file": path.name}})


def _counts(samples: Samples) -> Samples:
    return {
        name: by_labels
        for name, by_labels in samples.items()
        if name in FAMILIES and FAMILIES[name].kind != "gauge"
    }
