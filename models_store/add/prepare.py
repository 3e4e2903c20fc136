"""Bring a graph into the form of the contract, and run it to learn what it really does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from models_store.add.classification import ClassifierOptions, add_preprocessing
from models_store.add.division import guard_divisions
from models_store.add.photos import find_photos, read_photo
from models_store.add.rewrite import (
    BATCH,
    Shape,
    check_names,
    check_operators,
    fix_sizes,
    free_batch_axis,
    has_batch_axis,
    input_specs,
    output_shapes,
    remove_initializer_inputs,
    replace_zip_maps,
    set_tensors,
)
from models_store.add.sample_inputs import read_sample
from models_store.add.trial import OutputTensor, TrialRequest, TrialResult, run_trial
from models_store.errors import AddError
from models_store.manifest import TensorSpec
from models_store.tasks import Classification, Tensors


@dataclass(frozen=True)
class Trials:
    """Where and for how long graphs are tried."""

    folder: Path
    file_name: str
    """Name of the user's file, for messages."""
    time_limit_s: float
    sample: Path | None = None

    @property
    def golden(self) -> Path:
        return self.folder / "golden.npz"

    def run(
        self, model: onnx.ModelProto, specs: Sequence[TensorSpec], *, has_batch_axis: bool
    ) -> TrialResult:
        """Run `model` with the inputs `specs`. Raises AddError: see `run_trial`."""
        path = self.folder / self.file_name
        path.write_bytes(set_tensors(model, specs, ()).SerializeToString())
        request = TrialRequest(
            model=path,
            inputs=tuple(specs),
            golden=self.golden,
            sample=self.sample,
            has_batch_axis=has_batch_axis,
        )
        return run_trial(request, self.time_limit_s)


@dataclass(frozen=True)
class Prepared:
    """A graph that has run, with all its tensors described."""

    model: onnx.ModelProto
    task: Tensors | Classification
    inputs: Sequence[TensorSpec]
    outputs: Sequence[TensorSpec]
    trial: TrialResult
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Classes of the columns of outputs that were lists of maps."""
    photos: Mapping[Path, str] = field(default_factory=dict)
    """Sample photos with their best labels."""


def prepare_tensors(original: onnx.ModelProto, trials: Trials) -> Prepared:
    """Return the model for the task *tensors*, with a free batch axis where rows are independent.

    Raises:
        AddError: the graph cannot be served; says why.
    """
    model, columns, declared = _read_tensors(original, trials.sample)
    specs, trial = _try_with_batch_axis(model, declared, trials)
    if trial.only_size is not None:
        specs = fix_sizes(specs, trial.only_size)
        trial = trials.run(model, specs, has_batch_axis=trial.rows_are_independent)
    _check_outputs(columns, trial)
    outputs = _output_specs(trial, specs, output_shapes(model))
    return Prepared(set_tensors(model, specs, outputs), Tensors(), specs, outputs, trial, columns)


def _read_tensors(
    original: onnx.ModelProto, sample: Path | None
) -> tuple[onnx.ModelProto, dict[str, list[str]], list[TensorSpec]]:
    check_operators(original)
    model = onnx.ModelProto()
    model.CopyFrom(original)
    remove_initializer_inputs(model)
    check_names(model)
    columns = replace_zip_maps(model)
    model = guard_divisions(model)
    ranks = {name: array.ndim for name, array in read_sample(sample).items()} if sample else {}
    return model, columns, input_specs(model, ranks)


def _try_with_batch_axis(
    model: onnx.ModelProto, specs: Sequence[TensorSpec], trials: Trials
) -> tuple[Sequence[TensorSpec], TrialResult]:
    """Run the graph, if possible with a free batch axis, also where the file fixes its size."""
    if has_batch_axis(specs):
        is_fixed = any(isinstance(spec.shape[0], int) for spec in specs)
        freed = free_batch_axis(specs)
        try:
            trial = trials.run(model, freed, has_batch_axis=True)
        except AddError:
            if not is_fixed:
                raise
        else:
            if trial.rows_are_independent:
                return freed, trial
            if not is_fixed:
                return specs, trial
    return specs, trials.run(model, specs, has_batch_axis=False)


def _check_outputs(columns: Mapping[str, Sequence[str]], trial: TrialResult) -> None:
    for output in trial.outputs:
        labels = columns.get(output.name)
        if labels is not None and len(labels) != output.shape[-1]:
            raise AddError(
                f"ZipMap names {len(labels)} classes, but {output.name} has {output.shape[-1]} "
                "values in each row"
            )
        if 0 in output.inferred:
            raise AddError(f"the output {output.name} is always empty")


def _output_specs(
    trial: TrialResult, inputs: Sequence[TensorSpec], declared: Mapping[str, Shape]
) -> list[TensorSpec]:
    known = {size for spec in inputs for size in spec.shape if isinstance(size, str)}
    return [
        TensorSpec(
            name=output.name,
            dtype=output.dtype,
            shape=tuple(
                _output_size(output, axis, declared[output.name], known, trial)
                for axis in range(len(output.shape))
            ),
        )
        for output in trial.outputs
    ]


def _output_size(
    output: OutputTensor, axis: int, declared: Shape, known: set[str], trial: TrialResult
) -> int | str:
    """Return the number that the graph declares, if the run agrees, or else a name."""
    if axis == 0 and trial.rows_are_independent:
        return BATCH
    inferred = output.inferred[axis] if len(output.inferred) == len(output.shape) else None
    if inferred and inferred == output.shape[axis]:
        return inferred
    size = declared[axis] if len(declared) == len(output.shape) else ""
    if size == output.shape[axis]:
        return size
    # Equal first names of all tensors would say that rows are independent.
    return size if axis and size in known else f"{output.name}_{axis}"


def prepare_classifier(
    original: onnx.ModelProto, options: ClassifierOptions, photos: Sequence[Path], trials: Trials
) -> Prepared:
    """Return the model for the task *classification*, tried on `photos` or on noise.

    Raises:
        AddError: the graph or the options do not make a classifier; says why.
    """
    model, _, specs = _read_tensors(original, None)
    model, task = add_preprocessing(model, specs, options)
    images = TensorSpec(name="images", dtype="uint8", shape=task.image.tensor("images").shape)
    inputs = [images.model_copy(update={"shape": (BATCH, *images.shape[1:])})]
    found = find_photos(photos)
    if found:
        sample = trials.folder / "photos.npz"
        np.savez(sample, images=np.stack([read_photo(photo, task.image) for photo in found]))
        trials = replace(trials, sample=sample)
    trial = trials.run(model, inputs, has_batch_axis=True)
    probabilities = _read_probabilities(trial, trials.golden, len(options.labels))
    outputs = [
        TensorSpec(name="probabilities", dtype="float32", shape=(BATCH, len(options.labels)))
    ]
    captions = [_format_best(row, options.labels) for row in probabilities]
    return Prepared(
        model=set_tensors(model, inputs, outputs),
        task=task,
        inputs=inputs,
        outputs=outputs,
        trial=trial,
        photos=dict(zip(found, captions, strict=False)),  # without photos it ran on noise
    )


def _read_probabilities(trial: TrialResult, golden: Path, labels: int) -> NDArray[np.float64]:
    values = trial.outputs[0].shape[1]
    if values != labels:
        raise AddError(f"there are {labels} labels, but the graph returns {values} values")
    if not trial.rows_are_independent:
        raise AddError(
            "the graph cannot classify several images in one run independently: export it with a "
            "free batch axis, or add it without --labels"
        )
    with np.load(golden, allow_pickle=False) as archive:
        probabilities = np.asarray(archive["model/0/outputs/probabilities"], np.float64)
    sums = probabilities.sum(axis=1)
    if probabilities.min() < 0 or not np.allclose(sums, 1, atol=1e-2):
        raise AddError(
            f"the outputs are not probabilities (a row sums to {sums[0]:.3g}): give --softmax if "
            "they are logits"
        )
    return probabilities


def _format_best(row: NDArray[np.float64], labels: Sequence[str], count: int = 3) -> str:
    best = np.argsort(-row, kind="stable")[:count].tolist()
    return ", ".join(f"{labels[index]} {row[index]:.2f}" for index in best)
