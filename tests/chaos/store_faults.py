"""Does to a shelf what a disk, a kill and a careless hand do, and counts what is noticed.

    python -m tests.chaos.store_faults --store models_store --name charnn-tiny

Every bit of the manifest's share is not tried, but many: `--flips` bits of each file, drawn evenly,
and as many truncations. Then publishers are killed at moments of chance while they publish over and
over, two at a time. With root's rights, a disk is truly full (a file system in memory). Ends with
an error when anything that is damaged passes.
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
from models_store.layout import version_dir, versions
from models_store.manifest import Manifest
from models_store.publish import publish
from models_store.staging import leftovers
from models_store.verify import check_files, read_manifest


def main() -> None:
    """Print what was done, how often, and what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, default=Path("models_store"))
    parser.add_argument("--name", default="charnn-tiny")
    parser.add_argument("--flips", type=int, default=500, help="of each file")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--publish", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    source = version_dir(options.store, options.name, max(versions(options.store, options.name)))
    if options.publish:
        _publish_forever(source, options.publish)
    chance = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        _damage(source, room / "damaged", options.flips, chance)
        _kill(options, source.parent.name, room / "killed", chance)
        if os.geteuid() == 0:
            _fill(options.store, source, room)


def _whole(folder: Path) -> None:
    check_files(folder, read_manifest(folder))


def _damage(source: Path, store: Path, flips: int, chance: random.Random) -> None:
    folder = shutil.copytree(source, store / source.parent.name / source.name)
    _whole(folder)
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        noticed = 0
        for damaged in _damaged(content, flips, chance):
            path.write_bytes(damaged)
            try:
                _whole(folder)
            except StoreError:
                noticed += 1
        path.write_bytes(content)
        print(f"{path.name}: {noticed} of {2 * flips} flipped bits and truncations noticed")
        # A manifest's prose may change and still be a manifest; all else has a hash.
        if noticed < 2 * flips and path.name != "manifest.json":
            sys.exit("a damaged file passed")
    _whole(folder)


def _damaged(content: bytes, flips: int, chance: random.Random) -> Iterator[bytes]:
    for _ in range(flips):
        flipped = bytearray(content)
        flipped[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        yield bytes(flipped)
        yield content[: chance.randrange(len(content))]


def _publish_forever(source: Path, store: Path) -> None:
    def build(folder: Path, version: int) -> Manifest:
        manifest = read_manifest(source)
        for file in manifest.files:
            shutil.copy(source / file.path, folder)
        return manifest.model_copy(update={"version": version})

    print("ready", flush=True)
    while True:
        publish(store, source.parent.name, build, check_files)


def _kill(options: argparse.Namespace, name: str, store: Path, chance: random.Random) -> None:
    """Two publishers at a time, of which one is killed after up to 50 ms, again and again."""
    command = [sys.executable, "-m", "tests.chaos.store_faults", "--store", str(options.store),
               "--name", options.name, "--publish", str(store)]  # fmt: skip
    half_written = checked = 0

    def begin() -> subprocess.Popen[str]:
        running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert running.stdout
        running.stdout.readline()
        return running

    other = begin()
    for _ in range(options.kills):
        running = begin()
        time.sleep(chance.uniform(0, 0.05))
        running.send_signal(signal.SIGKILL)
        running.wait()
        half_written += len(leftovers(store))
    other.kill()
    other.wait()
    for version in versions(store, name):
        _whole(store / name / str(version))
        checked += 1
    print(f"{options.kills} publishers killed, {half_written} of them in the middle of a version")
    print(f"{checked} versions are there, numbers without a gap: "
          f"{versions(store, name) == list(range(1, checked + 1))}, all whole")  # fmt: skip


def _fill(store: Path, source: Path, room: Path) -> None:
    """Import into file systems that are 5 %, 10 % … of what is needed."""
    name, number = source.parent.name, int(source.name)
    export_versions(store, [(name, number)], room / "one.tar")
    size = sum(path.stat().st_size for path in source.iterdir())
    disk, refused, told = room / "disk", 0, ""
    disk.mkdir()
    for percent in range(5, 100, 5):
        option = f"size={size * percent // 100}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", option, "tmpfs", disk], check=True)
        try:
            import_versions(room / "one.tar", disk)
        except StoreError as error:
            refused, told = refused + 1, str(error)
        left = [path for path in disk.rglob("*") if path.is_file()]
        subprocess.run(["umount", disk], check=True)
        if left and not percent > 90:
            sys.exit(f"left behind: {left}")
    print(f"full disks: {refused} of 19 refused, nothing left behind; {told}")


if __name__ == "__main__":
    main()
