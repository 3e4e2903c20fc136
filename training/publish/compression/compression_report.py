"""Metrics of a published autoencoder: sizes and quality of its codes, beside other codecs.

Shapes: N images, H height, W width, C channels, D latent dimensions of h × w positions.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models_store.compression.container import CompressedImage, pack
from models_store.compression.factorized import FrequencyTables, Latents, encode_latents
from models_store.manifest import Metric
from models_store.tasks import ColorMode
from training.datasets.noise import quantize_8bit
from training.metrics.rate_distortion import RatePoint, image_psnr_db, psnr_db
from training.networks.autoencoder import Autoencoder
from training.plots.rate_distortion import draw_rate_distortion
from training.publish import sample_inputs
from training.publish.compression.baseline_codecs import (
    LOSSLESS,
    LOSSY,
    lossless_bytes,
    lossy_curve,
)
from training.publish.compression.frequency_tables import build_frequency_tables
from training.publish.spec import GraphFns, run_in_batches
from training.tasks.base import Scores
from training.tasks.compression import Compression

BATCH = 250
BASELINE_SAMPLE_SIZE = 1_000
"""Number of test images, evenly spaced, on which other codecs are measured."""
STEPS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
"""Quantizer steps of the network's curve in the preview, in units of the trained steps."""


def report(
    name: str,
    task: Compression,
    network: Autoencoder,
    runs: GraphFns,
    tables: FrequencyTables,
    preview: Path,
) -> tuple[Metric, ...]:
    """Measure the published graphs on the whole test set, and draw the preview."""
    data = task.data
    images = data.test.images_NCHW.permute(0, 2, 3, 1).contiguous()
    decoded, payloads = _round_trip(runs, tables, images.numpy())
    served = RatePoint(
        _code_bytes(images.shape, payloads),
        float(np.mean(list(map(image_psnr_db, decoded, images.numpy())))),
    )
    sample = _evenly_spaced(images).numpy()
    lossy = {codec: lossy_curve(codec, sample) for codec in LOSSY}
    lossless = {codec: lossless_bytes(codec, sample) for codec in LOSSLESS}
    digits = sample_inputs.rendered_digits(data.size_HW[0]).expand(-1, -1, -1, data.channels)
    draw_rate_distortion(
        _preview_rows(runs, tables, digits.numpy()),
        {name: _step_size_curve(task, network), **lossy},
        served,
        lossless,
        f"{data.title}, test: whole files",
        preview,
    )
    with torch.inference_mode():
        scores = task.measure(network, data.test)
    metric = partial(Metric, dataset=data.title, split="test")
    sizes = {codec: _interpolate_size(curve, served.psnr_db) for codec, curve in lossy.items()}
    return (
        *_own_metrics(partial(metric, n=len(images)), scores, served, payloads),
        *_baseline_metrics(partial(metric, n=len(sample), unit="bytes"), lossless, sizes),
    )


def _own_metrics(
    metric: partial[Metric], scores: Scores, served: RatePoint, payloads: list[bytes]
) -> Iterator[Metric]:
    figures = (
        ("mse_float", scores["mse_float"], "", "pixels in 0–1, latents not rounded"),
        ("mse", scores["mse_coded"], "", "pixels in 0–1, latents rounded"),
        ("psnr", served.psnr_db, "dB", "mean over images of 8-bit outputs"),
        ("code_bytes", served.rate, "bytes", "whole container, mean over images"),
        ("payload_bytes", np.mean(list(map(len, payloads))), "bytes", "entropy-coded latents only"),
    )
    for name, value, unit, note in figures:
        yield metric(name=name, value=float(value), unit=unit, note=note)


def _baseline_metrics(
    metric: partial[Metric], lossless: Mapping[str, float], at_psnr: Mapping[str, float]
) -> Iterator[Metric]:
    for codec, size in lossless.items():
        yield metric(name=f"{codec}_bytes", value=size, note="lossless, whole file")
    note = "whole file at this model's PSNR, between the two nearest qualities"
    for codec, size in at_psnr.items():
        yield metric(name=f"{codec}_bytes_at_psnr", value=size, note=note)


def _round_trip(
    runs: GraphFns, tables: FrequencyTables, images_NHWC: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], list[bytes]]:
    """Return images decoded by the published graphs and tables, and their entropy-coded latents."""
    latents = run_in_batches(runs["encoder"], "images", torch.from_numpy(images_NHWC))["latents"]
    decoded_NHWC = run_in_batches(runs["decoder"], "latents", latents)["images"].numpy()
    return decoded_NHWC, _payloads(latents.numpy(), tables)


def _preview_rows(
    runs: GraphFns, tables: FrequencyTables, images_NHWC: NDArray[np.uint8]
) -> list[tuple[str, NDArray[np.uint8]]]:
    decoded_NHWC, payloads = _round_trip(runs, tables, images_NHWC)
    size = _code_bytes(images_NHWC.shape, payloads)
    return [("original", images_NHWC), (f"out of {size:.0f} bytes", decoded_NHWC)]


def _step_size_curve(task: Compression, network: Autoencoder) -> list[RatePoint]:
    """Measure the network with finer and coarser steps and matching tables; not served."""
    test = _evenly_spaced(task.data.test.images_NCHW).float() / 255
    train = task.data.train.images_NCHW.float() / 255
    shape = (len(test), *task.data.size_HW, task.data.channels)
    points = []
    with torch.inference_mode():
        latents, train_latents = (
            torch.cat([network.encode(part) for part in torch.split(images, BATCH)])
            for images in (test, train)
        )
        for step in STEPS:
            tables = build_frequency_tables((train_latents / step).round().short().numpy())
            quantized = (latents / step).round()
            decoded = [network.decode(part * step) for part in torch.split(quantized, BATCH)]
            size = _code_bytes(shape, _payloads(quantized.short().numpy(), tables))
            psnr = float(psnr_db(quantize_8bit(torch.cat(decoded)), test).mean())
            points.append(RatePoint(size, psnr))
    return points


def _evenly_spaced(images: Tensor) -> Tensor:
    """Select evenly, not the first: MNIST's first 5,000 are neater than the rest."""
    return images[:: max(1, len(images) // BASELINE_SAMPLE_SIZE)][:BASELINE_SAMPLE_SIZE]


def _payloads(latents_NDhw: Latents, tables: FrequencyTables) -> list[bytes]:
    return [encode_latents(latents.reshape(len(latents), -1), tables) for latents in latents_NDhw]


def _code_bytes(shape_NHWC: tuple[int, ...], payloads: list[bytes]) -> float:
    """Return the mean length of whole containers, which does not depend on the fingerprint."""
    _, height, width, channels = shape_NHWC
    mode: ColorMode = "L" if channels == 1 else "RGB"
    codes = [pack(CompressedImage(bytes(4), width, height, mode, payload)) for payload in payloads]
    return float(np.mean([len(code) for code in codes]))


def _interpolate_size(curve: list[RatePoint], target_psnr_db: float) -> float:
    sizes, ratios = zip(*sorted(curve, key=lambda point: point.psnr_db), strict=True)
    return float(np.interp(target_psnr_db, ratios, sizes))
