"""`deepshelf models …`: list, show, verify, add, measure, repack, export …; without torch."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from models_store.add.command import add
from models_store.archive import VersionId, export_versions, import_versions
from models_store.card import render_card
from models_store.command_line import CommandGroup, single_line
from models_store.errors import LayoutError, StoreError
from models_store.layout import file_sha256, list_model_names, list_versions, version_dir
from models_store.manifest import Manifest
from models_store.onnx.batching import measure_version
from models_store.onnx.runtime import verify_graphs
from models_store.publish import record_batching
from models_store.signing.signatures import TrustedKeys, read_trusted_keys
from models_store.staging import orphaned_staging_dirs
from models_store.verify import check_files, read_manifest

_STORE_VARIABLE = "DEEPSHELF_STORE"
_DEFAULT_STORE = Path("models_store")


class _StoreGroup(CommandGroup):
    """Accepts `--store` after the command too, as the commands of `deepshelf train` do."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        for index, argument in enumerate(args[:end]):
            if argument == "--store" or argument.startswith("--store="):
                count = 1 if "=" in argument else 2
                option = args[index : index + count]
                args = [*option, *args[:index], *args[index + count :]]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_StoreGroup,
    help="List, show, verify, add, export and import published models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@dataclass(frozen=True)
class _Options:
    """The options of the group."""

    store: Path
    trusted_keys: Path | None

    def read_trusted_keys(self) -> TrustedKeys | None:
        return read_trusted_keys(self.trusted_keys) if self.trusted_keys else None


class _Context(typer.Context):
    obj: _Options


@app.callback()
def _group_options(
    context: typer.Context,
    store: Annotated[
        Path, typer.Option(envvar=_STORE_VARIABLE, help="Folder of the published models.")
    ] = _DEFAULT_STORE,
    trusted_keys: Annotated[
        Path | None,
        typer.Option(
            envvar="DEEPSHELF_TRUSTED_KEYS",
            help="verify and import: file of public keys, one of which must have signed each "
            "version.",
        ),
    ] = None,
) -> None:
    context.obj = _Options(store, trusted_keys)


def _complete_name(incomplete: str) -> list[str]:
    try:
        names = list_model_names(Path(os.environ.get(_STORE_VARIABLE) or _DEFAULT_STORE))
    except StoreError:
        return []
    return [name for name in names if name.startswith(incomplete)]


_NameArgument = Annotated[
    str, typer.Argument(help="Name of a published model.", autocompletion=_complete_name)
]

_VersionOption = Annotated[
    int | None, typer.Option(help="Version of the model.", show_default="the highest")
]


@app.command("list")
def list_models(context: _Context) -> None:
    """List all published versions."""
    store = context.obj.store
    for name in list_model_names(store):
        for version in list_versions(store, name):
            try:
                manifest = read_manifest(version_dir(store, name, version))
                line = f"{manifest.task.kind:16} {manifest.summary}"
            except StoreError as error:
                line = f"unreadable: {single_line(error)}"
            typer.echo(f"{name:24} {version:>3}  {line}")


@app.command()
def show(context: _Context, name: _NameArgument, version: _VersionOption = None) -> None:
    """Show one model's card."""
    typer.echo("\n".join(_format_card(_read(context, name, version))))


@app.command()
def card(context: _Context, name: _NameArgument, version: _VersionOption = None) -> None:
    """Print one model's card as the README.md of a Hugging Face repository."""
    typer.echo(render_card(_read(context, name, version)), nl=False)


def _read(context: _Context, name: str, version: int | None) -> Manifest:
    store = context.obj.store
    if version is None:
        version = max(list_versions(store, name), default=1)
    return read_manifest(version_dir(store, name, version))


def _format_card(manifest: Manifest) -> Iterator[str]:
    yield f"{manifest.name} {manifest.version} ({manifest.task.kind}): {manifest.summary}"
    yield f"parameters    {manifest.parameters:,}"
    for file in manifest.files:
        yield f"{file.role:13} {file.path}, {file.bytes:,} bytes"
    for path, batching in manifest.batching.items():
        yield f"batching      {path}: {batching.describe()}"
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


@app.command()
def verify(
    context: _Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Names of models.", show_default="all models", autocompletion=_complete_name
        ),
    ] = None,
) -> None:
    """Check hashes and replay the golden cases."""
    store, failed = context.obj.store, False
    trusted_keys = context.obj.read_trusted_keys()
    for name in names or _all_names(store):
        available = list_versions(store, name)
        if not available:
            version_dir(store, name, 1)  # raises, naming what there is
        for version in available:
            try:
                _verify_version(version_dir(store, name, version), trusted_keys)
                verdict = "ok"
            except StoreError as error:
                failed, verdict = True, f"FAILED: {single_line(error)}"
            typer.echo(f"{name:24} {version:>3}  {verdict}")
    for folder in orphaned_staging_dirs(store):
        typer.echo(
            f"{folder.parent.name:24}   -  {folder.name} was left by a killed publisher; "
            "the next publication of this model removes it"
        )
    if failed:
        raise typer.Exit(1)


def _all_names(store: Path) -> list[str]:
    names = list_model_names(store)
    if not names:
        raise LayoutError(f"there is no model in {store}")
    return names


def _verify_version(folder: Path, trusted_keys: TrustedKeys | None) -> None:
    manifest = read_manifest(folder, trusted_keys)
    check_files(folder, manifest)
    verify_graphs(folder, manifest)


app.command("add")(add)


@app.command()
def measure(context: _Context, name: _NameArgument) -> None:
    """Measure batches of a model on this machine, and record which the service uses."""
    store = context.obj.store
    folder = version_dir(store, name, max(list_versions(store, name), default=1))
    manifest = read_manifest(folder)
    check_files(folder, manifest)
    updated = record_batching(folder, measure_version(folder, manifest))
    if not updated.batching:
        typer.echo("nothing to measure: dynamic batching needs a graph with a free batch axis")
    for path, batching in updated.batching.items():
        typer.echo(f"{path}: {batching.describe()}")
        for measurement in batching.measured:
            rates = (
                f"{measurement.runs_per_s:>10,.0f} runs/s {measurement.rows_per_s:>10,.0f} rows/s"
            )
            typer.echo(f"{measurement.size:>6} rows {rates}")


@app.command()
def repack(context: _Context, name: _NameArgument) -> None:
    r"""Store a model's weights as float16, as a new version of half the bytes.

    Runs cost the same. Needs deepshelf\[import].
    """
    from models_store.repack import repack as run

    result = run(context.obj.store, name)
    typer.echo(
        f"{result.bytes_before:,} bytes before, {result.bytes_after:,} after; golden outputs "
        f"change by {result.change:.2%} of their range at most; published {result.folder}"
    )


@app.command("export")
def export_models(
    context: _Context,
    file: Annotated[Path, typer.Argument(help="A .tar or .tar.gz file to write.")],
    models: Annotated[
        list[str] | None,
        typer.Argument(
            help="NAME for its highest version, or NAME/VERSION.",
            show_default="the highest of all",
            autocompletion=_complete_name,
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Export every version of every model: a backup.")
    ] = False,
) -> None:
    """Write versions to one file, to carry them elsewhere."""
    if every and models:
        raise LayoutError("--all exports every model: leave out the names")
    store = context.obj.store
    names = models or _all_names(store)
    if every:
        selected = [(name, number) for name in names for number in list_versions(store, name)]
    else:
        selected = [_parse_version_id(store, name) for name in names]
    export_versions(store, selected, file)
    for name, version in sorted(selected):
        typer.echo(f"{name:24} {version:>3}")
    typer.echo(f"sha256 {file_sha256(file)}  {file}")


def _parse_version_id(store: Path, argument: str) -> VersionId:
    name, _, version = argument.partition("/")
    if version:
        if not version.isdecimal():
            raise LayoutError(f"{argument!r}: a version is a number, as in {name}/1")
        return name, int(version)
    return name, max(list_versions(store, name), default=1)


@app.command("import")
def import_models(
    context: _Context,
    file: Annotated[Path, typer.Argument(help="A file that `export` wrote.")],
    keep_existing: Annotated[
        bool,
        typer.Option(
            "--keep-existing",
            help="Keep a version of the store where the archive has another of the same number.",
        ),
    ] = False,
) -> None:
    """Verify the versions of such a file and add them to the store."""
    store, trusted_keys = context.obj.store, context.obj.read_trusted_keys()
    imported = import_versions(file, store, trusted_keys, keep_existing=keep_existing)
    for (name, version), new in imported:
        typer.echo(f"{name:24} {version:>3}  {'new' if new else 'exists'}")


@app.command()
def schema() -> None:
    """Print the manifest's JSON Schema."""
    typer.echo(json.dumps(Manifest.model_json_schema(), indent=2))
