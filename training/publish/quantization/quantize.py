"""`quantize`: add an int8 variant to the fp32 graphs of a published version.

Convolutional classifiers: static, QDQ, weights per channel, calibrated on training images.
LSTMs: see `int8_lstm`. Nothing is trained. The better variant by accuracy and speed becomes the
default precision, which the manifest states.

Compression models are not quantized, because the meaning of a code must not depend on the
processor; nor are generators and denoisers, whose errors would be visible.
"""

import shlex
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter

from models_store import publish as store_writer
from models_store.layout import list_versions, version_dir
from models_store.manifest import Manifest, Metric, ModelFile, Variant
from models_store.onnx.metadata import graph_metadata
from models_store.onnx.runtime import load_graph_fn, verify_graphs
from models_store.tasks import Classification, TextGeneration
from models_store.verify import GraphFn, TensorMap, read_golden_cases, read_manifest
from training.datasets import DataConfig
from training.datasets.base import ImageData, ImageSplit
from training.datasets.text import TextData
from training.engine.environment import Environment
from training.errors import ExportError
from training.publish.onnx.rnn_graph import zero_states
from training.publish.quantization.int8_lstm import quantize_lstm
from training.publish.quantization.static_qdq import CalibrationImages, quantize_static_int8
from training.publish.spec import run_in_batches

CALIBRATION_IMAGES = 512
"""Number of training images, evenly spaced."""
MAX_ACCURACY_LOSS = 0.005
"""Loss of accuracy (of 1), or relative increase of nats, above which fp32 stays the default."""
MIN_SPEEDUP = 1.2
"""Speed relative to fp32, below which fp32 stays the default."""

_TOLERANCE_HEADROOM = 2.0
"""Factor on the deviation measured here: other processors add in another order."""
_BATCH_SIZE, _WINDOW = 32, 1024
_TIMED_RUNS = 40


@dataclass(frozen=True)
class QuantizationResult:
    """The changed version."""

    folder: Path
    manifest: Manifest
    fp32_bytes: int
    int8_bytes: int


_Measurement = tuple[tuple[Metric, ...], float]
"""Metrics of the int8 graph, and its loss as in `MAX_ACCURACY_LOSS`."""


def quantize_version(name: str, store: Path, *, version: int | None = None) -> QuantizationResult:
    """Quantize a version, by default the highest, and add the result to it.

    Raises:
        LayoutError: when there is no such version.
        ExportError: when it has an int8 variant already, or models of its task are not quantized.
        DataError: when its training data cannot be found.
    """
    available = list_versions(store, name)
    folder = version_dir(store, name, version or (available[-1] if available else 1))
    manifest = read_manifest(folder)
    if manifest.graphs("int8"):
        raise ExportError(f"{name} {manifest.version} has an int8 variant already")
    data = _load_calibration_data(manifest)
    role = "model" if isinstance(manifest.task, Classification) else "step"

    build = partial(_build_variant, folder=folder, role=role, data=data)
    updated = store_writer.add_variant(folder, build, verify_graphs)
    return QuantizationResult(
        folder, updated, updated.graphs()[role].bytes, updated.graphs("int8")[role].bytes
    )


def _load_calibration_data(manifest: Manifest) -> ImageData | TextData:
    if not isinstance(manifest.task, Classification | TextGeneration):
        raise ExportError(
            f"{manifest.name} does {manifest.task.kind}; "
            "only classification and text can be quantized"
        )
    recipe = manifest.provenance.recipe
    # The members of an ensemble were trained on the same data.
    recipe = next(iter(recipe.get("members", ())), recipe)
    if "data" not in recipe:
        raise ExportError(f"the recipe of {manifest.name} names no data to calibrate on")
    data = TypeAdapter[DataConfig](DataConfig).validate_python(recipe["data"]).load()
    if not isinstance(data, ImageData | TextData):
        raise ExportError(f"{type(data).__name__} cannot be used for calibration")
    return data


def _build_variant(
    target: Path, original: Manifest, folder: Path, role: str, data: ImageData | TextData
) -> Manifest:
    fp32 = original.graphs()[role]
    path = target / f"{role}-int8.onnx"
    if isinstance(data, ImageData):
        images_NHWC = _evenly_spaced_images(data.train, CALIBRATION_IMAGES)
        quantize_static_int8(folder / fp32.path, path, CalibrationImages(images_NHWC))
        method = f"static, QDQ, weights per channel; {len(images_NHWC)} training images"
    else:
        onnx.save_model(quantize_lstm(onnx.load(folder / fp32.path)), path)
        method = "static, 7-bit weights with a scale per column; an LSTM's outputs lie in (-1, 1)"
    _write_metadata(path, original)
    runs = {"fp32": load_graph_fn(folder / fp32.path), "int8": load_graph_fn(path)}
    metrics, loss = _measure(runs, original, data)
    speedup = _measure_speedup(runs, _example_inputs(original, folder, fp32))
    serve_int8 = loss <= MAX_ACCURACY_LOSS and speedup >= MIN_SPEEDUP
    environment = Environment.current()
    variant = Variant(
        precision="int8",
        method=method,
        rtol=0.0,
        atol=_golden_tolerance(runs["int8"], folder, original, fp32),
        speedup=round(speedup, 2),
        hardware=environment.hardware,
        created=datetime.now(UTC).replace(microsecond=0),
        command=shlex.join(["deepshelf", "train", "quantize", original.name]),
        libraries=environment.libraries,
    )
    file = store_writer.file_entry(
        path, role=role, precision="int8", inputs=fp32.inputs, outputs=fp32.outputs
    )
    return original.model_copy(
        update={
            "files": (*original.files, file),
            "metrics": (*original.metrics, *metrics),
            "variants": (variant,),
            "served": "int8" if serve_int8 else "fp32",
        }
    )


def _write_metadata(path: Path, original: Manifest) -> None:
    model, recipe = onnx.load(path), original.provenance.recipe
    metadata = graph_metadata(original.name, original.version, original.licence, recipe)
    onnx.helper.set_model_props(model, metadata)
    onnx.save_model(model, path)


def _measure(
    runs: Mapping[str, GraphFn], manifest: Manifest, data: ImageData | TextData
) -> _Measurement:
    if isinstance(data, ImageData):
        return _measure_images(runs, data)
    if not isinstance(manifest.task, TextGeneration):
        raise TypeError(type(manifest.task))
    return _measure_text(runs, manifest.task, data)


def _measure_images(runs: Mapping[str, GraphFn], data: ImageData) -> _Measurement:
    """Measure on the test set; without one, only the agreement on the training set."""
    split, name = (data.test, "test") if len(data.test) else (data.train, "train")
    images_NHWC = split.images_NCHW.permute(0, 2, 3, 1)
    fp32_NK, int8_NK = (
        run_in_batches(runs[kind], "images", images_NHWC, _BATCH_SIZE)["probabilities"].numpy()
        for kind in ("fp32", "int8")
    )
    labels_N = split.labels_N.numpy()
    metric = partial(Metric, dataset=data.title, split=name, n=len(split), precision="int8")
    share = float((fp32_NK.argmax(1) == int8_NK.argmax(1)).mean())
    note = "share of images with the same label as by fp32"
    agreement = metric(name="agreement", value=share, note=note)
    if name == "train":
        return (agreement,), 1 - share
    fp32, int8 = (float((scores.argmax(1) == labels_N).mean()) for scores in (fp32_NK, int8_NK))
    note = f"top-1, one view; fp32 in the same run {fp32:.4f}"
    return (metric(name="accuracy", value=int8, note=note), agreement), fp32 - int8


def _measure_text(
    runs: Mapping[str, GraphFn], task: TextGeneration, data: TextData
) -> _Measurement:
    text_N = data.validation_N.numpy()
    window = min(_WINDOW, (len(text_N) - 1) // _BATCH_SIZE)
    text = text_N[: _BATCH_SIZE * window + 1]
    tokens_BT, targets_BT = (part.reshape(_BATCH_SIZE, window) for part in (text[:-1], text[1:]))
    fp32, int8 = (
        _nats_per_char(runs[kind], task, tokens_BT, targets_BT) for kind in ("fp32", "int8")
    )
    metric = Metric(
        name="nll_windows",
        value=int8,
        unit="nats/char",
        dataset=data.title,
        split="validation",
        n=_BATCH_SIZE * window,
        precision="int8",
        note=f"{_BATCH_SIZE} windows of {window} without context; fp32 in the same run {fp32:.4f}",
    )
    return (metric,), (int8 - fp32) / fp32


def _nats_per_char(
    run: GraphFn, task: TextGeneration, tokens_BT: NDArray[np.int64], targets_BT: NDArray[np.int64]
) -> float:
    outputs = run({"tokens": tokens_BT, **zero_states(task.states, len(tokens_BT))})
    logits = torch.from_numpy(np.asarray(outputs["logits"]))
    targets = torch.from_numpy(targets_BT).flatten()
    return float(torch.nn.functional.cross_entropy(logits.flatten(0, 1).double(), targets))


def _evenly_spaced_images(split: ImageSplit, count: int) -> NDArray[np.uint8]:
    images_NCHW = split.images_NCHW[:: max(1, len(split) // count)][:count]
    return np.ascontiguousarray(images_NCHW.permute(0, 2, 3, 1).numpy())


def _golden_tolerance(run: GraphFn, folder: Path, manifest: Manifest, graph: ModelFile) -> float:
    """Return the largest deviation from the golden outputs, with headroom."""
    worst = 0.0
    golden = folder / manifest.get_file("golden").path
    for case in read_golden_cases(golden, graph, manifest.golden.cases):
        outputs = run(case.inputs)
        for name, expected in case.outputs.items():
            difference = np.abs(outputs[name].astype(np.float64) - expected.astype(np.float64))
            worst = max(worst, float(difference.max()))
    return float(f"{_TOLERANCE_HEADROOM * worst:.2g}")


def _example_inputs(manifest: Manifest, folder: Path, graph: ModelFile) -> TensorMap:
    """Return one image, or a batch of texts as in the service."""
    if isinstance(manifest.task, TextGeneration):
        tokens = np.zeros((_BATCH_SIZE, 1), np.int64)
        return {"tokens": tokens, **zero_states(manifest.task.states, _BATCH_SIZE)}
    case = next(iter(read_golden_cases(folder / manifest.get_file("golden").path, graph, 1)))
    return {name: np.ascontiguousarray(value[:1]) for name, value in case.inputs.items()}


def _measure_speedup(runs: Mapping[str, GraphFn], inputs: TensorMap) -> float:
    """Compare processor time in interleaved runs, so that other load hardly matters."""
    seconds: dict[str, list[float]] = {kind: [] for kind in runs}
    for kind, run in [*runs.items()] * _TIMED_RUNS:
        start = time.process_time()
        run(inputs)
        seconds[kind].append(time.process_time() - start)
    return statistics.median(seconds["fp32"]) / statistics.median(seconds["int8"])
