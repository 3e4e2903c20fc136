"""`python -m models_store`: list, show, verify, export, import, schema. Needs no torch."""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from models_store.archive import VersionId, export_versions, import_versions
from models_store.errors import LayoutError, StoreError
from models_store.layout import (
    file_sha256,
    list_model_names,
    list_versions,
    version_dir,
)
from models_store.manifest import Manifest
from models_store.onnx.runtime import replay_golden
from models_store.signing.signatures import (
    TrustedKeys,
    read_trusted_keys,
)
from models_store.staging import orphaned_staging_dirs
from models_store.verify import check_files, read_manifest


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 1 when a model is not what it should be, 2 for wrong arguments."""
    options = _build_parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except (StoreError, OSError) as error:
        sys.stderr.write(f"error: {_single_line(error)}\n")
        return 1


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m models_store", description=__doc__)
    parser.add_argument(
        "--store",
        type=Path,
        default=Path(os.environ.get("DEEPSHELF_STORE", "models_store")),
        help="the folder of published models ($DEEPSHELF_STORE, or ./models_store)",
    )
    parser.add_argument(
        "--trusted-keys",
        type=Path,
        default=os.environ.get("DEEPSHELF_TRUSTED_KEYS") or None,
        help="verify and import: a file of public keys, one of which must have signed each version",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("list", help="what is on the shelf").set_defaults(command=_list)
    show = commands.add_parser("show", help="one model's card")
    show.add_argument("name")
    show.add_argument("--version", type=int, help="the highest when left out")
    show.set_defaults(command=_show)
    verify = commands.add_parser("verify", help="check hashes and replay the golden cases")
    verify.add_argument("names", nargs="*", help="all models when left out")
    verify.set_defaults(command=_verify)
    export = commands.add_parser("export", help="versions as one file, to carry elsewhere")
    export.add_argument("file", type=Path, help="a .tar, or a .tar.gz")
    export.add_argument("models", nargs="*", help="NAME for its highest version, or NAME/VERSION")
    export.add_argument("--all", action="store_true", help="every version there is: a backup")
    export.set_defaults(command=_export)
    import_parser = commands.add_parser(
        "import", help="check what such a file holds, and shelve it"
    )
    import_parser.add_argument("file", type=Path)
    import_parser.add_argument(
        "--keep-existing",
        action="store_true",
        help="keep a version of the store where the archive has another one of the same number",
    )
    import_parser.set_defaults(command=_import)
    commands.add_parser("schema", help="the manifest's JSON Schema").set_defaults(command=_schema)
    return parser


def _single_line(error: Exception) -> str:
    """Its message on one line, whatever a damaged manifest has put into it."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(error)).split())


def _list(options: argparse.Namespace) -> int:
    for name in list_model_names(options.store):
        for version in list_versions(options.store, name):
            try:
                manifest = read_manifest(version_dir(options.store, name, version))
                line = f"{manifest.task.kind:16} {manifest.summary}"
            except StoreError as error:
                line = f"unreadable: {_single_line(error)}"
            print(f"{name:24} {version:>3}  {line}")
    return 0


def _show(options: argparse.Namespace) -> int:
    version = options.version
    if version is None:
        version = max(list_versions(options.store, options.name), default=1)
    folder = version_dir(options.store, options.name, version)
    print("\n".join(_format_card(read_manifest(folder))))
    return 0


def _format_card(manifest: Manifest) -> Iterator[str]:
    yield f"{manifest.name} {manifest.version} ({manifest.task.kind}): {manifest.summary}"
    yield f"parameters    {manifest.parameters:,}"
    for file in manifest.files:
        yield f"{file.role:13} {file.path}, {file.bytes:,} bytes"
    for metric in manifest.metrics:
        note = f"; {metric.note}" if metric.note else ""
        yield (
            f"metric        {metric.name} {metric.value:.4f} {metric.unit}".rstrip()
            + f" ({metric.dataset}, {metric.split}, n = {metric.n:,}, {metric.precision}{note})"
        )
    for source in manifest.data:
        yield f"trained on    {source.title}, n = {source.n:,}; {source.licence}; {source.source}"
    yield f"command       {manifest.provenance.command}"
    yield f"took          {manifest.provenance.duration_s:,.0f} s on {manifest.provenance.hardware}"
    yield f"licence       {manifest.licence}"
    yield f"intended use  {manifest.intended_use}"
    yield f"limits        {manifest.limits}"


def _verify(options: argparse.Namespace) -> int:
    failed = 0
    trusted_keys = _trusted_keys(options)
    names = options.names or list_model_names(options.store)
    if not names:
        raise LayoutError(f"there is no model in {options.store}")
    for name in names:
        available = list_versions(options.store, name)
        if not available:
            version_dir(options.store, name, 1)  # raises, naming what there is
        for version in available:
            try:
                _verify_version(version_dir(options.store, name, version), trusted_keys)
                verdict = "ok"
            except StoreError as error:
                failed += 1
                verdict = f"FAILED: {_single_line(error)}"
            print(f"{name:24} {version:>3}  {verdict}")
    for folder in orphaned_staging_dirs(options.store):
        print(
            f"{folder.parent.name:24}   -  {folder.name} was left by a publisher that was killed; "
            "the next one to publish this name removes it"
        )
    return 1 if failed else 0


def _trusted_keys(options: argparse.Namespace) -> TrustedKeys | None:
    return read_trusted_keys(options.trusted_keys) if options.trusted_keys else None


def _verify_version(folder: Path, trusted_keys: TrustedKeys | None = None) -> None:
    manifest = read_manifest(folder, trusted_keys)
    check_files(folder, manifest)
    replay_golden(folder, manifest)


def _export(options: argparse.Namespace) -> int:
    if options.all and options.models:
        raise LayoutError("--all exports every model there is: leave the names out")
    names = options.models or list_model_names(options.store)
    if not names:
        raise LayoutError(f"there is no model in {options.store}")
    if options.all:
        selected = [
            (name, number) for name in names for number in list_versions(options.store, name)
        ]
    else:
        selected = [_parse_version_id(options.store, name) for name in names]
    export_versions(options.store, selected, options.file)
    for name, version in sorted(selected):
        print(f"{name:24} {version:>3}")
    print(f"sha256 {file_sha256(options.file)}  {options.file}")
    return 0


def _parse_version_id(store: Path, argument: str) -> VersionId:
    name, _, version = argument.partition("/")
    if version:
        if not version.isdecimal():
            raise LayoutError(f"{argument!r}: a version is a number, as in {name}/1")
        return name, int(version)
    return name, max(list_versions(store, name), default=1)


def _import(options: argparse.Namespace) -> int:
    trusted_keys = _trusted_keys(options)
    imported = import_versions(
        options.file, options.store, trusted_keys, keep_existing=options.keep_existing
    )
    for (name, version), new in imported:
        print(f"{name:24} {version:>3}  {'new' if new else 'exists'}")
    return 0


def _schema(_: argparse.Namespace) -> int:
    print(json.dumps(Manifest.model_json_schema(), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
