"""Metrics of a published autoencoder: sizes and quality of its codes, beside other codecs.

Shapes: N images, H height, W width, C channels, D latent dimensions of h × w positions.
"""

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
from training.metrics.psnr import image_psnr_db, psnr_db
from training.networks.autoencoder import Autoencoder
from training.plots.rate_distortion import RateDistortionCurve, SizePsnrPoint, draw_rate_distortion
from training.publish import sample_inputs
from training.publish.compression.baseline_codecs import (
    LOSSLESS,
    LOSSY,
    lossless_bytes,
    lossy_curve,
)
from training.publish.compression.frequency_tables import build_frequency_tables
from training.publish.spec import GraphFns, run_in_batches
from training.tasks.compression import Compression

BATCH = 250
BASELINE_SAMPLE_SIZE = 1_000
"""Number of test images, evenly spaced, on which other codecs are measured."""
STEPS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
"""Quantizer steps of the network's curve in the preview, in units of the trained steps."""


class _RoundTrip:
    """Images encoded and decoded by the published graphs and tables."""

    def __init__(self, runs: GraphFns, tables: FrequencyTables, images_NHWC: NDArray[np.uint8]):
        latents_NDhw = run_in_batches(runs["encoder"], "images", torch.from_numpy(images_NHWC))[
            "latents"
        ]
        self.decoded_NHWC = run_in_batches(runs["decoder"], "latents", latents_NDhw)[
            "images"
        ].numpy()
        payloads = _payloads(latents_NDhw.numpy(), tables)
        self.payload_bytes = float(np.mean([len(payload) for payload in payloads]))
        self.code_bytes = _code_bytes(images_NHWC.shape, payloads)


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
    test_round_trip = _RoundTrip(runs, tables, images.numpy())
    operating_point = SizePsnrPoint(
        test_round_trip.code_bytes,
        float(np.mean(list(map(image_psnr_db, test_round_trip.decoded_NHWC, images.numpy())))),
    )
    with torch.inference_mode():
        scores = task.measure(network, data.test)
    baseline_sample = _evenly_spaced(images).numpy()
    lossy = {codec: lossy_curve(codec, baseline_sample) for codec in LOSSY}
    lossless = {codec: lossless_bytes(codec, baseline_sample) for codec in LOSSLESS}
    curves = [
        RateDistortionCurve(name, _step_size_curve(task, network), operating_point),
        *(RateDistortionCurve(codec, points, None) for codec, points in lossy.items()),
    ]
    digits = (
        sample_inputs.rendered_digits(data.size_HW[0]).expand(-1, -1, -1, data.channels).numpy()
    )
    preview_round_trip = _RoundTrip(runs, tables, digits)
    rows = [
        ("original", digits),
        (f"out of {preview_round_trip.code_bytes:.0f} bytes", preview_round_trip.decoded_NHWC),
    ]
    title = f"{data.title}, test: whole files"
    draw_rate_distortion(rows, curves, lossless, title, preview)

    def metric(key: str, value: float, unit: str, note: str, n: int = len(images)) -> Metric:
        return Metric(
            name=key, value=value, unit=unit, dataset=data.title, split="test", n=n, note=note
        )

    n, at_psnr = (
        len(baseline_sample),
        "whole file at this model's PSNR, between the two nearest qualities",
    )
    return (
        metric("mse_float", scores["mse_float"], "", "pixels in 0–1, latents not rounded"),
        metric("mse", scores["mse_coded"], "", "pixels in 0–1, latents rounded"),
        metric("psnr", operating_point.psnr_db, "dB", "mean over images of 8-bit outputs"),
        metric(
            "code_bytes", operating_point.size_bytes, "bytes", "whole container, mean over images"
        ),
        metric(
            "payload_bytes", test_round_trip.payload_bytes, "bytes", "entropy-coded latents only"
        ),
        *(metric(f"{k}_bytes", v, "bytes", "lossless, whole file", n) for k, v in lossless.items()),
        *(
            metric(
                f"{codec}_bytes_at_psnr",
                _interpolate_size(points, operating_point.psnr_db),
                "bytes",
                at_psnr,
                n,
            )
            for codec, points in lossy.items()
        ),
    )


def _step_size_curve(task: Compression, network: Autoencoder) -> list[SizePsnrPoint]:
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
            payloads = _payloads(quantized.short().numpy(), tables)
            size = _code_bytes(shape, payloads)
            points.append(
                SizePsnrPoint(size, float(psnr_db(quantize_8bit(torch.cat(decoded)), test).mean()))
            )
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


def _interpolate_size(curve: list[SizePsnrPoint], target_psnr_db: float) -> float:
    ordered = sorted(curve, key=lambda point: point.psnr_db)
    return float(
        np.interp(target_psnr_db, [p.psnr_db for p in ordered], [p.size_bytes for p in ordered])
    )
