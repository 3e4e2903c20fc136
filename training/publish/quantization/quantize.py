"""`quantize`: an int8 variant beside the fp32 graphs of a version that is on the shelf.

Convolutional classifiers: static, QDQ, weights per channel, calibrated on training pictures.
LSTMs: see `int8_recurrent`. Nothing is trained. The better one by accuracy and speed answers from
then on where nobody asks for a precision, and the manifest says so.

Compression models are left alone: what a code means must not depend on the processor. So are
generators and denoisers, whose outputs are looked at.
"""

import shlex
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter

from models_store import publish as shelf
from models_store.layout import version_dir, versions
from models_store.manifest import Manifest, Metric, ModelFile, Variant
from models_store.onnx.runtime import onnxruntime_run
from models_store.tasks import Classification, TextGeneration
from models_store.verify import Run, golden_cases, read_manifest, replay
from training.datasets import DataConfig
from training.datasets.base import ImageData, ImageSplit
from training.datasets.text import TextData
from training.errors import ExportError
from training.publish.provenance import Environment
from training.publish.quantization.int8_lstm import int8_lstm
from training.publish.quantization.static_qdq import Calibration, static_int8

__all__ = ["Quantised", "quantize"]

CALIBRATION = 512
"""Training pictures, evenly spread."""
MOST_LOST = 0.005
"""Accuracy, of 1; of texts, nats a character as a share of fp32's. Beyond, fp32 stays served."""
LEAST_GAINED = 1.2
"""Times as fast as fp32; below, it is not worth anything lost."""

_HEADROOM = 2.0
"""Over the deviation that was seen here: other processors add in another order."""
_ROWS, _WINDOW = 32, 1024
_RUNS = 40


@dataclass(frozen=True)
class Quantised:
    """What became of a version."""

    folder: Path
    manifest: Manifest
    fp32_bytes: int
    int8_bytes: int


@dataclass(frozen=True)
class _Measured:
    """One graph on one data set."""

    figures: tuple[tuple[str, float, str, str], ...]
    """Name, value, unit and note."""
    n: int
    split: str
    lost: float
    """As in `MOST_LOST`."""


def quantize(name: str, store: Path, *, version: int | None = None) -> Quantised:
    """Quantise a version, the highest when left out, and put the result beside its graphs.

    Raises:
        LayoutError: there is no such version.
        ExportError: it has an int8 variant already, or is no model that is quantised.
        DataError: its training data are not there.
    """
    there = versions(store, name)
    folder = version_dir(store, name, version or (there[-1] if there else 1))
    manifest = read_manifest(folder)
    if manifest.graphs("int8"):
        raise ExportError(f"{name} {manifest.version} has an int8 variant already")
    data = _data(manifest)
    role = "model" if isinstance(manifest.task, Classification) else "step"

    def build(partial: Path, before: Manifest) -> Manifest:
        return _build(partial, folder, before, role, data)

    after = shelf.add_variant(folder, build, _verify)
    return Quantised(folder, after, after.graphs()[role].bytes, after.graphs("int8")[role].bytes)


def _data(manifest: Manifest) -> ImageData | TextData:
    if not isinstance(manifest.task, Classification | TextGeneration):
        raise ExportError(
            f"{manifest.name} does {manifest.task.kind}; quantised are classification and text"
        )
    recipe = manifest.provenance.recipe
    # The members of an ensemble learnt from the same.
    recipe = next(iter(recipe.get("members", ())), recipe)
    if "data" not in recipe:
        raise ExportError(f"the recipe of {manifest.name} names no data to calibrate on")
    loaded = TypeAdapter[DataConfig](DataConfig).validate_python(recipe["data"]).load()
    if not isinstance(loaded, ImageData | TextData):
        raise ExportError(f"{type(loaded).__name__} is no data to calibrate on")
    return loaded


def _verify(folder: Path, manifest: Manifest) -> None:
    for graph in manifest.graphs("int8").values():
        replay(folder, manifest, graph, onnxruntime_run(folder / graph.path))


def _build(
    partial: Path, folder: Path, before: Manifest, role: str, data: ImageData | TextData
) -> Manifest:
    fp32 = before.graphs()[role]
    path = partial / f"{role}-int8.onnx"
    if isinstance(data, ImageData):
        pictures_NHWC = _spread(data.train, CALIBRATION)
        static_int8(folder / fp32.path, path, Calibration(pictures_NHWC))
        method = f"static, QDQ, weights per channel; {len(pictures_NHWC)} training pictures"
    else:
        onnx.save_model(int8_lstm(onnx.load(folder / fp32.path)), path)
        method = "static, weights of 7 bits per column; ranges are those of the cells"
    runs = {"fp32": onnxruntime_run(folder / fp32.path), "int8": onnxruntime_run(path)}
    measured = _measure(runs, before, data)
    speedup = _speedup(runs, _example(before, folder, fp32))
    better = measured.lost <= MOST_LOST and speedup >= LEAST_GAINED
    here = Environment.here()
    variant = Variant(
        precision="int8",
        method=method,
        rtol=0.0,
        atol=_deviation(runs["int8"], folder, before, fp32),
        speedup=round(speedup, 2),
        hardware=here.hardware,
        created=datetime.now(UTC).replace(microsecond=0),
        command=shlex.join(["python", "-m", "training", "quantize", before.name]),
        libraries=here.libraries,
    )
    file = shelf.describe(
        path, role=role, precision="int8", inputs=fp32.inputs, outputs=fp32.outputs
    )
    return before.model_copy(
        update={
            "files": (*before.files, file),
            "metrics": (*before.metrics, *_metrics(measured, data)),
            "variants": (variant,),
            "served": "int8" if better else "fp32",
        }
    )


def _metrics(measured: _Measured, data: ImageData | TextData) -> Iterator[Metric]:
    for name, value, unit, note in measured.figures:
        yield Metric(
            name=name, value=value, unit=unit, dataset=data.title, split=measured.split,
            n=measured.n, precision="int8", note=note,
        )  # fmt: skip


def _measure(runs: Mapping[str, Run], manifest: Manifest, data: ImageData | TextData) -> _Measured:
    if isinstance(data, ImageData):
        return _of_pictures(runs, data)
    if not isinstance(manifest.task, TextGeneration):
        raise TypeError(type(manifest.task))
    return _of_text(runs, manifest.task, data)


def _of_pictures(runs: Mapping[str, Run], data: ImageData) -> _Measured:
    """On the test set; where there is none, how often both agree on what was trained on."""
    split, name = (data.test, "test") if len(data.test) else (data.train, "train")
    fp32_NK, int8_NK = (_probabilities(runs[kind], split) for kind in ("fp32", "int8"))
    labels_N = split.labels_N.numpy()
    agreed = float((fp32_NK.argmax(1) == int8_NK.argmax(1)).mean())
    agreement = ("agreement", agreed, "", "share of pictures that fp32 gives the same label")
    if name == "train":
        return _Measured((agreement,), len(split), name, 1 - agreed)
    right = [float((one.argmax(1) == labels_N).mean()) for one in (fp32_NK, int8_NK)]
    note = f"top-1, one view; fp32 in the same run {right[0]:.4f}"
    accuracy = ("accuracy", right[1], "", note)
    return _Measured((accuracy, agreement), len(split), name, right[0] - right[1])


def _probabilities(run: Run, split: ImageSplit) -> NDArray[np.float32]:
    batches = torch.split(split.images_NCHW.permute(0, 2, 3, 1), _ROWS)
    outputs = [run({"images": batch.contiguous().numpy()})["probabilities"] for batch in batches]
    return np.concatenate(outputs).astype(np.float32)


def _of_text(runs: Mapping[str, Run], task: TextGeneration, data: TextData) -> _Measured:
    text_N = data.validation_N.numpy()
    window = min(_WINDOW, (len(text_N) - 1) // _ROWS)
    kept = text_N[: _ROWS * window + 1]
    read_BT, next_BT = kept[:-1].reshape(_ROWS, window), kept[1:].reshape(_ROWS, window)
    fp32, int8 = (_nats(runs[kind], task, read_BT, next_BT) for kind in ("fp32", "int8"))
    note = f"{_ROWS} windows of {window} without context; fp32 in the same run {fp32:.4f}"
    figure = ("nll_windows", int8, "nats/char", note)
    return _Measured((figure,), _ROWS * window, "validation", (int8 - fp32) / fp32)


def _nats(
    run: Run, task: TextGeneration, read_BT: NDArray[np.int64], next_BT: NDArray[np.int64]
) -> float:
    shape = (len(read_BT),)
    state = {one.name: np.zeros((one.layers, *shape, one.width), np.float32) for one in task.states}
    outputs = run({"tokens": read_BT, **state})
    logits = torch.from_numpy(np.asarray(outputs["logits"]))
    targets = torch.from_numpy(next_BT).flatten()
    return float(torch.nn.functional.cross_entropy(logits.flatten(0, 1).double(), targets))


def _spread(split: ImageSplit, count: int) -> NDArray[np.uint8]:
    step = max(1, len(split) // count)
    pictures: NDArray[np.uint8] = (
        split.images_NCHW[::step][:count].permute(0, 2, 3, 1).contiguous().numpy()
    )
    return pictures


def _deviation(run: Run, folder: Path, manifest: Manifest, graph: ModelFile) -> float:
    """The limit: the largest difference from what the network computed, and headroom."""
    worst = 0.0
    golden = folder / manifest.file("golden").path
    for case in golden_cases(golden, graph, manifest.golden.cases):
        got = run(case.inputs)
        for name, expected in case.outputs.items():
            difference = np.abs(got[name].astype(np.float64) - expected.astype(np.float64))
            worst = max(worst, float(difference.max()))
    return float(f"{_HEADROOM * worst:.2g}")


def _example(manifest: Manifest, folder: Path, graph: ModelFile) -> Callable[[], dict[str, object]]:
    """One picture; of texts, as many as share a run in the service."""
    case = next(iter(golden_cases(folder / manifest.file("golden").path, graph, 1)))
    if isinstance(manifest.task, Classification):
        inputs = {name: np.ascontiguousarray(one[:1]) for name, one in case.inputs.items()}
    else:
        inputs = {"tokens": np.zeros((_ROWS, 1), np.int64)}
        for state in getattr(manifest.task, "states", ()):
            inputs[state.name] = np.zeros((state.layers, _ROWS, state.width), np.float32)
    return lambda: dict(inputs)


def _speedup(runs: Mapping[str, Run], inputs: Callable[[], dict[str, object]]) -> float:
    """By processor time, in turns: other work on the machine then hardly counts."""
    seconds: dict[str, list[float]] = {kind: [] for kind in runs}
    for kind, run in _turns(runs.items()):
        example = inputs()
        start = time.process_time()
        run(example)  # type: ignore[arg-type]
        seconds[kind].append(time.process_time() - start)
    return statistics.median(seconds["fp32"]) / statistics.median(seconds["int8"])


def _turns(runs: Iterable[tuple[str, Run]]) -> Iterator[tuple[str, Run]]:
    for _ in range(_RUNS):
        yield from runs
