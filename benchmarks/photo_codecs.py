"""A published codec of photographs compared with JPEG, WebP and AVIF: bytes, PSNR, time and memory.

    python -m benchmarks.photo_codecs curves --image docs/codec-photo.webp
    python -m benchmarks.photo_codecs costs --megapixels 12
    python -m benchmarks.photo_codecs costs --megapixels 0.393 --runs 9

`curves`: whole files at many qualities, on the six photographs that scikit-learn and scikit-image
bring with them; prints mean BD-rates against each of the others, and draws the mean curves.
`costs`: one photograph enlarged to so many megapixels, coded and decoded by each, one after the
other, each in a process of its own; CPU seconds of the fastest run, and the highest memory of the
process.
"""

import argparse
import math
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from statistics import mean
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from models_store.compression.factorized import read_tables
from models_store.compression.hyperprior import ScaleTables
from models_store.compression.image_codec import HyperpriorImageCodec
from models_store.layout import list_versions, version_dir
from models_store.onnx.runtime import load_graph_fn
from models_store.tasks import Compression
from models_store.verify import read_manifest
from training.datasets.photo_folders import sample_images
from training.metrics.rate_distortion import RatePoint, bd_rate
from training.plots.rate_distortion import draw_rate_curves
from training.publish.compression.photo_codec_report import (
    BASELINE_CODECS,
    baseline_curve,
    encode_with_pillow,
    model_curve,
)

ImageArray = NDArray[np.uint8]
_T = TypeVar("_T")
_COST_QUALITIES = {"JPEG": 75, "WEBP": 75, "AVIF": 65}
_OWN_QUALITY = 5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("curves", "costs", "cost"))
    parser.add_argument("--store", type=Path, default=Path("models_store"))
    parser.add_argument("--model", default="codec-photo")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--megapixels", type=float, default=12)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--codec", help="of cost: one of JPEG, WEBP, AVIF, or the model")
    options = parser.parse_args()
    {"curves": _compare_curves, "costs": _compare_costs, "cost": _measure_cost}[options.what](
        options
    )


def _load_codec(options: argparse.Namespace) -> HyperpriorImageCodec:
    folder = version_dir(
        options.store, options.model, max(list_versions(options.store, options.model))
    )
    task = read_manifest(folder).task
    if not isinstance(task, Compression) or not task.qualities:
        raise SystemExit(f"{options.model} is no codec of photographs")
    roles = ("encoder", "decoder", *task.exact_roles)
    runs = {role: load_graph_fn(folder / f"{role}.onnx") for role in roles}
    return HyperpriorImageCodec(task, read_tables(folder / "tables.json", ScaleTables), runs)


def _compare_curves(options: argparse.Namespace) -> None:
    own_codec, images = _load_codec(options), sample_images()
    curves_by_codec = {options.model: [model_curve(own_codec, image) for image in images]}
    curves_by_codec |= {
        codec: [baseline_curve(codec, image) for image in images] for codec in BASELINE_CODECS
    }
    print(f"mean BD-rate over {len(images)} photographs, %: row against column")
    for tested in curves_by_codec:
        row = [
            mean(
                bd_rate(reference_curve, tested_curve)
                for reference_curve, tested_curve in zip(
                    curves_by_codec[reference], curves_by_codec[tested], strict=True
                )
            )
            for reference in BASELINE_CODECS
        ]
        print(f"{tested:12}" + "".join(f"{value:9.1f}" for value in row))
    means = {codec: _mean_curve(curves) for codec, curves in curves_by_codec.items()}
    for codec, points in means.items():
        print(codec, " ".join(f"{rate:.3f}:{psnr:.2f}" for rate, psnr in points))
    if options.plot:
        draw_rate_curves(means, f"{len(images)} photographs not trained on, mean", options.plot)


def _mean_curve(curves: list[list[RatePoint]]) -> list[RatePoint]:
    return [
        RatePoint(mean(point.rate for point in points), mean(point.psnr_db for point in points))
        for points in zip(*curves, strict=True)
    ]


def _compare_costs(options: argparse.Namespace) -> None:
    print(
        "codec         MB   bits/pixel  encode s  decode s  peak MB, of which before (CPU seconds)"
    )
    for codec in (*BASELINE_CODECS, options.model):
        command = [sys.executable, "-m", "benchmarks.photo_codecs", "cost", "--codec", codec]
        command += ["--store", str(options.store), "--model", options.model]
        command += ["--megapixels", str(options.megapixels), "--runs", str(options.runs)]
        subprocess.run(command, check=True)  # noqa: S603


def _measure_cost(options: argparse.Namespace) -> None:
    image_HWC = _tiled_photo(options.megapixels)
    height, width = image_HWC.shape[:2]
    encode, decode = _codec_fns(options, height, width)
    before = _peak_mb()
    file, encode_s = _time_fastest(options.runs, lambda: encode(image_HWC))
    _, decode_s = _time_fastest(options.runs, lambda: decode(file))
    rate = 8 * len(file) / (height * width)
    print(
        f"{options.codec:12} {len(file) / 1e6:5.2f} {rate:10.2f} {encode_s:10.3f}"
        f" {decode_s:9.3f} {_peak_mb():9.0f} {before:9.0f}",
        flush=True,
    )


def _codec_fns(
    options: argparse.Namespace, height: int, width: int
) -> tuple[Callable[[ImageArray], bytes], Callable[[bytes], ImageArray]]:
    if options.codec not in BASELINE_CODECS:
        own_codec = _load_codec(options)
        return (
            lambda image_HWC: own_codec.encode(image_HWC, _OWN_QUALITY).payload,
            lambda file: own_codec.decode(file, height, width)[0],
        )
    quality = _COST_QUALITIES[options.codec]

    def decode(file: bytes) -> ImageArray:
        with Image.open(BytesIO(file)) as image:
            return np.asarray(image.convert("RGB"))

    return lambda image_HWC: encode_with_pillow(options.codec, image_HWC, quality), decode


def _time_fastest(runs: int, call: Callable[[], _T]) -> tuple[_T, float]:
    """Return the result and the lowest CPU time of several runs, the one disturbed least."""
    fastest_s = math.inf
    for _ in range(runs):
        started = time.process_time()
        result = call()
        fastest_s = min(fastest_s, time.process_time() - started)
    return result, fastest_s


def _tiled_photo(megapixels: float) -> NDArray[np.uint8]:
    """Return a 4 : 3 image with a photograph's detail: coffee, repeated and mirrored."""
    coffee = data.coffee()  # type: ignore[no-untyped-call]
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = round(height * 4 / 3)
    return np.pad(
        coffee,
        ((0, height - coffee.shape[0]), (0, width - coffee.shape[1]), (0, 0)),
        mode="symmetric",
    )


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
