"""Load a published version from its folder: verify it, and replay its golden cases."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from models_store.compression.factorized import FrequencyTables
from models_store.compression.image_codec import (
    FactorizedImageCodec,
    HyperpriorImageCodec,
    ImageCodec,
)
from models_store.compression.tables import latent_shape, load_tables
from models_store.manifest import Manifest, Precision
from models_store.tasks import Compression, Task, TextGeneration
from models_store.verify import check_files, load_graphs
from service.runtime.graph_loader import DEFAULT_OPTIONS, LoadOptions, open_graph
from service.runtime.loaded_model import Graph, LoadedModel
from service.runtime.recurrent import RecurrentModel, is_batch_invariant
from service.runtime.session import Session

_log = logging.getLogger(__name__)


def load(
    folder: Path, manifest: Manifest, options: LoadOptions = DEFAULT_OPTIONS
) -> LoadedModel[Task]:
    """Verify and load the version in `folder`, in all its precisions.

    The default precision is that of `options` if the version has it, else the manifest's choice.

    Raises:
        StoreError: the version does not verify; says why.
    """
    check_files(folder, manifest)
    precisions: list[Precision] = ["fp32", *(variant.precision for variant in manifest.variants)]
    loaded = {
        precision: _load_precision(folder, manifest, precision, options) for precision in precisions
    }
    default_precision = options.precision if options.precision in loaded else manifest.served
    variants = {
        precision: replace(model, variants={p: m for p, m in loaded.items() if p != precision})
        for precision, model in loaded.items()
        if precision != default_precision
    }
    return replace(loaded[default_precision], variants=variants)


def _load_precision(
    folder: Path, manifest: Manifest, precision: Precision, options: LoadOptions
) -> LoadedModel[Task]:
    loaded_graphs = load_graphs(
        manifest, precision, lambda spec: open_graph(folder, manifest, spec, options)
    )
    graphs = {role: loaded.graph for role, loaded in loaded_graphs.items()}
    return LoadedModel(
        manifest=manifest,
        task=manifest.task,
        graphs=graphs,
        preview=(folder / manifest.get_file("preview").path).read_bytes(),
        codec=_load_codec(folder, manifest, graphs),
        recurrent=_prepare_recurrent(manifest, graphs, options.max_text_batch_size),
        precision=precision,
        providers={
            role: loaded.provider for role, loaded in loaded_graphs.items() if loaded.provider
        },
    )


def _prepare_recurrent(
    manifest: Manifest, graphs: Mapping[str, Graph], max_batch_size: int
) -> RecurrentModel | None:
    task = manifest.task
    if not isinstance(task, TextGeneration):
        return None
    graph = graphs["step"]
    # A remote graph is batched where it runs.
    invariant = not isinstance(graph, Session) or is_batch_invariant(
        graph, task.states, max_batch_size
    )
    if not invariant:
        fields = {"model": manifest.name, "version": manifest.version}
        _log.warning("graph is not batch-invariant, padding every run", extra={"fields": fields})
    return RecurrentModel(graph, task.states, batch_invariant=invariant)


def _load_codec(folder: Path, manifest: Manifest, graphs: Mapping[str, Graph]) -> ImageCodec | None:
    task = manifest.task
    if not isinstance(task, Compression):
        return None
    tables = load_tables(folder, manifest, task)
    runs = {role: graph.run for role, graph in graphs.items()}
    if isinstance(tables, FrequencyTables):
        return FactorizedImageCodec(tables, latent_shape(manifest), runs)
    return HyperpriorImageCodec(task, tables, runs)
