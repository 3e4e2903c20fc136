"""Compares locked versions with the Python advisories of an export of osv.dev; asks nobody.

    python -m benchmarks.advisories all.zip requirements.lock requirements-build.lock

`all.zip` is https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip, carried here from a
machine that reaches it. (`pip-audit`, which `make audit` runs otherwise, asks its database itself.)
Which versions an advisory means is decided as the schema says (ossf.github.io/osv-schema).
"""

import argparse
import json
import re
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

__all__ = ["find_advisories", "is_affected", "parse_lock"]

Pins = dict[str, list[str]]


def main() -> int:
    """0 when no locked version is known to be bad."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("advisories", type=Path, help="all.zip")
    parser.add_argument("locks", type=Path, nargs="+")
    options = parser.parse_args()
    pins: Pins = {}
    for lock in options.locks:
        for name, versions in parse_lock(lock.read_text(encoding="utf-8")).items():
            pins.setdefault(name, []).extend(versions)
    age = (time.time() - options.advisories.stat().st_mtime) / 86_400
    bad = list(find_advisories(options.advisories, pins))
    for name, version, advisory in bad:
        print(f"{name} {version}: {advisory['id']} {advisory.get('summary', '')}")
    print(f"{len(pins)} packages, {len(bad)} advisories that hold; the file is {age:.0f} days old")
    return 1 if bad else 0


def parse_lock(text: str) -> Pins:
    """Name → versions of a lock; more than one where Python's own version decides."""
    pins: Pins = {}
    for line in re.sub(r" *#.*", "", text).replace("\\\n", "").splitlines():
        if line.strip():
            requirement = Requirement(line.partition("--hash")[0])
            (pin,) = requirement.specifier
            pins.setdefault(canonicalize_name(requirement.name), []).append(pin.version)
    return pins


def find_advisories(advisories: Path, pins: Pins) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Name, version and advisory of every locked version that one is about."""
    with zipfile.ZipFile(advisories) as archive:
        for entry in archive.namelist():
            if not entry.endswith(".json"):
                continue
            advisory: dict[str, Any] = json.loads(archive.read(entry))
            if "withdrawn" in advisory:
                continue
            for affected in advisory.get("affected", ()):
                name = canonicalize_name(affected.get("package", {}).get("name", ""))
                for version in pins.get(name, ()):
                    if is_affected(affected, version):
                        yield name, version, advisory


def is_affected(affected: dict[str, Any], version: str) -> bool:
    """Return True if `version` is listed or lies in an affected range."""
    if version in affected.get("versions", ()):
        return True
    ranges = [r for r in affected.get("ranges", ()) if r.get("type") == "ECOSYSTEM"]
    return any(_is_in_range(range_["events"], Version(version)) for range_ in ranges)


def _is_in_range(events: list[dict[str, str]], version: Version) -> bool:
    """Events in order: `introduced` begins a bad stretch, `fixed` and `last_affected` end it."""
    vulnerable = False
    for bound, kind in sorted(
        (_parse_version(text), kind) for event in events for kind, text in event.items()
    ):
        if kind == "introduced" and version >= bound:
            vulnerable = True
        elif (kind == "fixed" and version >= bound) or (
            kind == "last_affected" and version > bound
        ):
            vulnerable = False
    return vulnerable


def _parse_version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:  # "0" is before all; what cannot be read is before all too, to be safe
        return Version("0.dev0")


if __name__ == "__main__":
    sys.exit(main())
