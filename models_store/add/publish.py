"""Add a model: read, rewrite, run and publish it. If a step fails, nothing is published."""

import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
from onnx import helper
from PIL import Image

from models_store.add.classification import ClassifierOptions
from models_store.add.onnx_file import count_parameters, read_model
from models_store.add.photos import draw_captions, draw_text, read_photo
from models_store.add.prepare import Prepared, Trials, prepare_classifier, prepare_tensors
from models_store.errors import AddError
from models_store.hardware import describe_cpu
from models_store.layout import file_sha256, list_versions, validate_name
from models_store.manifest import Golden, Manifest, Provenance, TensorSpec
from models_store.onnx.batching import measure_version
from models_store.onnx.runtime import verify_graphs
from models_store.publish import file_entry, publish_version
from models_store.tasks import Classification
from models_store.verify import read_manifest

_QUANTIZED = ("QLinear", "QGemm", "MatMulInteger", "ConvInteger", "DynamicQuantize")


@dataclass(frozen=True)
class AddOptions:
    """Options of `deepshelf models add`."""

    name: str
    sample: Path | None = None
    classifier: ClassifierOptions | None = None
    """None for the task *tensors*."""
    photos: Sequence[Path] = ()
    summary: str | None = None
    licence: str = "not stated"
    new_version: bool = False
    """True if the name may exist already."""
    time_limit_s: float = 120.0


def add_model(store: Path, path: Path, options: AddOptions) -> tuple[Manifest, Prepared]:
    """Publish the model in `path`.

    Raises:
        StoreError: the model cannot be served, the name is taken, or the store is not writable.
    """
    existing = list_versions(store, validate_name(options.name))
    if existing and not options.new_version:
        raise AddError(
            f"the name {options.name} is taken (versions: {', '.join(map(str, existing))}); "
            "--new-version adds another version of it"
        )
    original = read_model(path)
    with tempfile.TemporaryDirectory(prefix="deepshelf-add-") as work:
        trials = Trials(Path(work), path.name, options.time_limit_s, options.sample)
        if options.classifier is None:
            prepared = prepare_tensors(original, trials)
        else:
            prepared = prepare_classifier(original, options.classifier, options.photos, trials)

        def build(folder: Path, number: int) -> Manifest:
            shutil.copy(trials.golden, folder / "golden.npz")
            return _build(folder, number, path, options, prepared)

        folder = publish_version(store, options.name, build, verify_graphs)
    return read_manifest(folder), prepared


def _build(
    folder: Path, number: int, source: Path, options: AddOptions, prepared: Prepared
) -> Manifest:
    """Write the graph and the preview beside the golden cases; return the manifest."""
    graph, golden, preview = (folder / name for name in ("model.onnx", "golden.npz", "preview.png"))
    summary = options.summary or f"Added from {source.name}."
    digest = file_sha256(source)
    model = prepared.model
    helper.set_model_props(
        model,
        {
            **{item.key: item.value for item in model.metadata_props},
            "name": options.name, "version": str(number), "licence": options.licence,
            "source_sha256": digest,
        },
    )  # fmt: skip
    graph.write_bytes(model.SerializeToString())
    _draw_preview(options.name, prepared).save(preview, "PNG", optimize=True)
    rtol, atol = _tolerances(golden, prepared)
    inputs, outputs = tuple(prepared.inputs), tuple(prepared.outputs)
    manifest = Manifest(
        name=options.name,
        version=number,
        created=datetime.now(UTC).replace(microsecond=0),
        summary=summary,
        task=prepared.task,
        files=(
            file_entry(graph, role="model", precision="fp32", inputs=inputs, outputs=outputs),
            file_entry(golden, role="golden"),
            file_entry(preview, role="preview"),
        ),
        golden=Golden(cases=prepared.trial.cases, rtol=rtol, atol=atol),
        parameters=count_parameters(model),
        metrics=(),
        data=(),
        provenance=_provenance(source, digest, prepared),
        licence=options.licence,
        intended_use="Not stated: the model was made elsewhere.",
        limits="Not measured: the golden cases prove that it computes as it did when it was added.",
    )
    return manifest.model_copy(update={"batching": measure_version(folder, manifest)})


def _provenance(source: Path, digest: str, prepared: Prepared) -> Provenance:
    model = prepared.model
    recipe = {
        "source": source.name,
        "source_sha256": digest,
        "producer": f"{model.producer_name} {model.producer_version}".strip(),
        "opset": {item.domain or "ai.onnx": item.version for item in model.opset_import},
        "columns": {name: list(labels) for name, labels in prepared.columns.items()},
    }
    return Provenance(
        recipe=recipe,
        command=_command(sys.argv[1:]),
        seed=0,
        git_commit=None,
        libraries={name: version(name) for name in ("onnx", "onnxruntime", "numpy")},
        hardware=describe_cpu(),
        duration_s=0,
    )


def _command(arguments: Sequence[str]) -> str:
    """Return the command line, whether `deepshelf models` or `python -m models_store` ran."""
    group = [] if arguments[:1] == ["models"] else ["models"]
    return shlex.join(["deepshelf", *group, *arguments])


def _tolerances(golden: Path, prepared: Prepared) -> tuple[float, float]:
    """Return the deviation allowed on other processors, relative and absolute."""
    is_low_precision = any(
        spec.dtype == "float16" for spec in (*prepared.inputs, *prepared.outputs)
    ) or any(node.op_type.startswith(_QUANTIZED) for node in prepared.model.graph.node)
    with np.load(golden, allow_pickle=False) as archive:
        arrays = [archive[name] for name in archive.files if "/outputs/" in name]
    largest = max(
        (float(np.abs(array.astype(np.float64)).max(initial=0)) for array in arrays
         if array.dtype.kind == "f"),
        default=0.0,
    )  # fmt: skip
    return (1e-2, 1e-2 * largest) if is_low_precision else (1e-3, 1e-4 * largest)


def _draw_preview(name: str, prepared: Prepared) -> Image.Image:
    if isinstance(prepared.task, Classification) and prepared.photos:
        images = np.stack([read_photo(photo, prepared.task.image) for photo in prepared.photos])
        return draw_captions(images, list(prepared.photos.values()))
    return draw_text(
        [
            name,
            *(f"in: {format_spec(spec)}" for spec in prepared.inputs),
            *(f"out: {format_spec(spec)}" for spec in prepared.outputs),
        ]
    )


def format_spec(spec: TensorSpec) -> str:
    """Format a tensor as `x float32 [batch, 4]`."""
    return f"{spec.name} {spec.dtype} [{', '.join(map(str, spec.shape))}]"
