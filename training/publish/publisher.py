"""Publish a model: export, parity check, golden cases, metrics, preview, card, model store."""

from datetime import UTC, datetime
from pathlib import Path

from models_store import publish as store_writer
from models_store.manifest import Golden, Manifest, ModelFile, Provenance
from models_store.onnx.batching import measure_version
from models_store.onnx.metadata import graph_metadata
from models_store.onnx.runtime import verify_graphs
from models_store.verify import GraphFn, write_golden
from training.config.recipe import ModelCard, Recipe
from training.engine.trainer import FitResult, restore
from training.publish import provenance
from training.publish.spec import ExportedGraph, ExportSpec, export_graph
from training.publish.tasks import export_spec

_HALF_PRECISION_ATOL = 3e-3
"""Largest change of an output from rounding weights to 11 significant bits."""


def publish_run(recipe: Recipe, run_dir: Path, store: Path) -> Path:
    """Publish the network of a run as the next version of the recipe's name.

    Raises:
        ExportError: when a graph is not valid.
        ReplayError: when onnxruntime does not reproduce what torch computed.
    """
    result = restore(recipe, run_dir)
    model_provenance = build_provenance(recipe, result, provenance.fit_command(recipe))
    spec = export_spec(result.task, recipe)
    return publish_model(recipe.name, recipe.publish, spec, model_provenance, store)


def build_provenance(recipe: Recipe, result: FitResult, command: str) -> Provenance:
    """Describe how a network was trained; `command` trains it again."""
    return Provenance(
        recipe=provenance.public_recipe(recipe, exclude={"publish"}),
        command=command,
        seed=recipe.seed,
        **result.environment.model_dump(),
        duration_s=round(result.seconds, 1),
        epochs=len(result.log) or None,
    )


def publish_model(
    name: str, card: ModelCard, spec: ExportSpec, model_provenance: Provenance, store: Path
) -> Path:
    """Publish a described model as the next version of `name`. Raises as `publish_run`."""

    def build(folder: Path, version: int) -> Manifest:
        half = card.storage == "float16"
        metadata = graph_metadata(name, version, card.licence, model_provenance.recipe)
        exported = {
            graph.role: export_graph(graph, folder, half=half, metadata=metadata)
            for graph in spec.graphs
        }
        write_golden(folder / "golden.npz", {role: graph.cases for role, graph in exported.items()})
        runs: dict[str, GraphFn] = {role: graph.graph_fn for role, graph in exported.items()}
        for attachment in spec.attachments:
            (folder / attachment.path).write_bytes(attachment.content)
        metrics = spec.report(runs, folder / "preview.png")
        manifest = Manifest(
            name=name,
            version=version,
            created=datetime.now(UTC).replace(microsecond=0),
            summary=card.summary,
            task=spec.task,
            files=(
                *(_graph_file(graph) for graph in exported.values()),
                *(store_writer.file_entry(folder / a.path, role=a.role) for a in spec.attachments),
                store_writer.file_entry(folder / "golden.npz", role="golden"),
                store_writer.file_entry(folder / "preview.png", role="preview"),
            ),
            golden=Golden(
                cases=len(spec.graphs[0].cases),
                rtol=spec.rtol,
                atol=max(spec.atol, _HALF_PRECISION_ATOL) if half else spec.atol,
            ),
            parameters=_count_parameters(spec),
            metrics=metrics,
            data=spec.data,
            provenance=model_provenance,
            licence=card.licence,
            intended_use=card.intended_use,
            limits=card.limits,
        )
        return manifest.model_copy(update={"batching": measure_version(folder, manifest)})

    return store_writer.publish_version(store, name, build, verify_graphs)


def _graph_file(graph: ExportedGraph) -> ModelFile:
    return store_writer.file_entry(
        graph.path,
        role=graph.path.stem,
        precision="fp32",
        inputs=graph.inputs,
        outputs=graph.outputs,
    )


def _count_parameters(spec: ExportSpec) -> int:
    if spec.parameter_count is not None:
        return spec.parameter_count
    return sum(
        parameter.numel() for graph in spec.graphs for parameter in graph.module.parameters()
    )
