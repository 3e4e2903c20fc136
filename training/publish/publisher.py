"""`publish`: export, parity, golden cases, figures, preview, card, and then the shelf."""

from datetime import UTC, datetime
from pathlib import Path

from models_store import publish as shelf
from models_store.manifest import Golden, Manifest, ModelFile, Provenance
from models_store.onnx.runtime import onnxruntime_run
from models_store.verify import Run, replay, write_golden
from training.config.recipe import Publish, Recipe
from training.engine.trainer import Fitted, restore
from training.publish import provenance
from training.publish.spec import Exported, Publication, export

__all__ = ["made_by", "publish", "shelve"]


def publish(recipe: Recipe, run_dir: Path, store: Path) -> Path:
    """Put the network of a run on the shelf as the next version of the recipe's name.

    Raises:
        ExportError: when a graph is not valid.
        ReplayError: when onnxruntime does not reproduce what torch computed.
    """
    fitted = restore(recipe, run_dir)
    made = made_by(recipe, fitted, provenance.command(recipe))
    return shelve(recipe.name, recipe.publish, fitted.task.publication(), made, store)


def made_by(recipe: Recipe, fitted: Fitted, command: str) -> Provenance:
    """Of a network that one recipe trained; `command` makes it again."""
    return Provenance(
        recipe=provenance.public(recipe, exclude={"publish"}),
        command=command,
        seed=recipe.seed,
        **fitted.environment.model_dump(),
        duration_s=round(fitted.seconds, 1),
        epochs=len(fitted.log) or None,
    )


def shelve(
    name: str, card: Publish, publication: Publication, made: Provenance, store: Path
) -> Path:
    """Put what is in memory on the shelf as the next version of `name`. Raises as above."""

    def build(folder: Path, version: int) -> Manifest:
        exported = {graph.role: export(graph, folder) for graph in publication.graphs}
        write_golden(folder / "golden.npz", {role: graph.cases for role, graph in exported.items()})
        runs: dict[str, Run] = {role: graph.run for role, graph in exported.items()}
        for attachment in publication.attachments:
            (folder / attachment.path).write_bytes(attachment.content)
        metrics = publication.report(runs, folder / "preview.png")
        return Manifest(
            name=name,
            version=version,
            created=datetime.now(UTC).replace(microsecond=0),
            summary=card.summary,
            task=publication.task,
            files=(
                *(_graph_file(graph) for graph in exported.values()),
                *(shelf.describe(folder / a.path, role=a.role) for a in publication.attachments),
                shelf.describe(folder / "golden.npz", role="golden"),
                shelf.describe(folder / "preview.png", role="preview"),
            ),
            golden=Golden(
                cases=len(publication.graphs[0].cases), rtol=publication.rtol, atol=publication.atol
            ),
            parameters=_parameters(publication),
            metrics=metrics,
            data=publication.data,
            provenance=made,
            licence=card.licence,
            intended_use=card.intended_use,
            limits=card.limits,
        )

    return shelf.publish(store, name, build, _parity)


def _graph_file(graph: Exported) -> ModelFile:
    return shelf.describe(
        graph.path,
        role=graph.path.stem,
        precision="fp32",
        inputs=graph.inputs,
        outputs=graph.outputs,
    )


def _parity(folder: Path, manifest: Manifest) -> None:
    """Torch computed the golden outputs; onnxruntime must agree, from the files as written."""
    for graph in manifest.files:
        if graph.is_graph:
            replay(folder, manifest, graph, onnxruntime_run(folder / graph.path))


def _parameters(publication: Publication) -> int:
    if publication.parameters is not None:
        return publication.parameters
    return sum(
        parameter.numel() for graph in publication.graphs for parameter in graph.module.parameters()
    )
