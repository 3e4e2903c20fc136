"""Damage a store with bit flips, truncations, kills and full disks, and count what is detected.

    python -m tests.chaos.store_faults --store models_store --name charnn-tiny

Flips `--flips` random bits of each file, and truncates it as often. Then kills one of two
concurrent publishers at random moments, repeatedly. As root, also imports into full disks (file
systems in memory). Exits with an error if damage is not detected.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from models_store.archive import export_versions, import_versions
from models_store.errors import StoreError
from models_store.layout import list_versions, version_dir
from models_store.manifest import Manifest
from models_store.publish import publish_version
from models_store.staging import orphaned_staging_dirs
from models_store.verify import check_files, read_manifest


def main() -> None:
    """Inject each kind of fault and print how often it was detected."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, default=Path("models_store"))
    parser.add_argument("--name", default="charnn-tiny")
    parser.add_argument("--flips", type=int, default=500, help="bit flips in each file")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--publish", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    source = version_dir(
        options.store, options.name, max(list_versions(options.store, options.name))
    )
    if options.publish:
        _publish_forever(source, options.publish)
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        work_dir = Path(folder)
        _check_corruption(source, work_dir / "damaged", options.flips, rng)
        _check_killed_publishers(options, source.parent.name, work_dir / "killed", rng)
        if os.geteuid() == 0:
            _check_full_disk(options.store, source, work_dir)


def _verify(folder: Path) -> None:
    check_files(folder, read_manifest(folder))


def _check_corruption(source: Path, store: Path, flips: int, rng: random.Random) -> None:
    folder = shutil.copytree(source, store / source.parent.name / source.name)
    _verify(folder)
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        detected = 0
        for damaged in _corrupted_copies(content, flips, rng):
            path.write_bytes(damaged)
            try:
                _verify(folder)
            except StoreError:
                detected += 1
        path.write_bytes(content)
        print(f"{path.name}: {detected} of {2 * flips} flipped bits and truncations detected")
        # A manifest stays valid if only its prose changes; all other files have hashes.
        if detected < 2 * flips and path.name != "manifest.json":
            sys.exit("a damaged file was accepted")
    _verify(folder)


def _corrupted_copies(content: bytes, flips: int, rng: random.Random) -> Iterator[bytes]:
    for _ in range(flips):
        flipped = bytearray(content)
        flipped[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        yield bytes(flipped)
        yield content[: rng.randrange(len(content))]


def _publish_forever(source: Path, store: Path) -> None:
    def build(folder: Path, version: int) -> Manifest:
        manifest = read_manifest(source)
        for file in manifest.files:
            shutil.copy(source / file.path, folder)
        return manifest.model_copy(update={"version": version})

    print("ready", flush=True)
    while True:
        publish_version(store, source.parent.name, build, check_files)


def _check_killed_publishers(
    options: argparse.Namespace, name: str, store: Path, rng: random.Random
) -> None:
    """Kill one of two concurrent publishers after up to 50 ms, repeatedly."""
    command = [sys.executable, "-m", "tests.chaos.store_faults", "--store", str(options.store),
               "--name", options.name, "--publish", str(store)]  # fmt: skip
    half_written = checked = 0

    def start_publisher() -> subprocess.Popen[str]:
        publisher = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert publisher.stdout
        publisher.stdout.readline()
        return publisher

    other = start_publisher()
    for _ in range(options.kills):
        publisher = start_publisher()
        time.sleep(rng.uniform(0, 0.05))
        publisher.send_signal(signal.SIGKILL)
        publisher.wait()
        half_written += len(orphaned_staging_dirs(store))
    other.kill()
    other.wait()
    for version in list_versions(store, name):
        _verify(store / name / str(version))
        checked += 1
    print(f"{options.kills} publishers killed, {half_written} of them in the middle of a version")
    print(f"{checked} complete versions, numbers without a gap: "
          f"{list_versions(store, name) == list(range(1, checked + 1))}")  # fmt: skip


def _check_full_disk(store: Path, source: Path, work_dir: Path) -> None:
    """Import into file systems of 5 %, 10 % … of the size of the version."""
    name, number = source.parent.name, int(source.name)
    export_versions(store, [(name, number)], work_dir / "one.tar")
    size = sum(path.stat().st_size for path in source.iterdir())
    disk, rejected, message = work_dir / "disk", 0, ""
    disk.mkdir()
    for percent in range(5, 100, 5):
        option = f"size={size * percent // 100}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", option, "tmpfs", disk], check=True)
        try:
            import_versions(work_dir / "one.tar", disk)
        except StoreError as error:
            rejected, message = rejected + 1, str(error)
        leftover_files = [path for path in disk.rglob("*") if path.is_file()]
        subprocess.run(["umount", disk], check=True)
        if leftover_files and percent <= 90:
            sys.exit(f"left behind: {leftover_files}")
    print(f"full disks: {rejected} of 19 rejected, nothing left behind; {message}")


if __name__ == "__main__":
    main()
