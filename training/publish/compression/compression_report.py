"""What the codes of a published autoencoder weigh, how near they come, and what others need.

Shapes: N pictures, H and W their sides, C channels, D latent dimensions of h × w places.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models_store.compression.container import Code, pack
from models_store.compression.factorized import Latents, Tables, encode_latents
from models_store.manifest import Metric
from models_store.tasks import Mode
from models_store.verify import Run
from training.networks.autoencoder import Autoencoder
from training.plots.rate_distortion import Curve, draw_rate_distortion
from training.publish import sample_inputs
from training.publish.compression.baseline_codecs import (
    LOSSLESS,
    LOSSY,
    Point,
    lossless_bytes,
    lossy_curve,
)
from training.publish.compression.frequency_tables import frequency_tables
from training.publish.spec import Runs
from training.tasks.noise import eight_bits, psnr_db

if TYPE_CHECKING:
    from training.tasks.compression import Compression

__all__ = ["BATCH", "report"]

BATCH = 250
COMPARED = 1_000
"""Test pictures, evenly spread, on which other codecs are measured."""
STEPS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
"""Quantiser steps, in units of the trained ones, of the network's own curve in the preview."""


class _Weighed:
    """Pictures through the published graphs and tables: whole containers, and what comes back."""

    def __init__(self, name: str, runs: Runs, tables: Tables, images_NHWC: NDArray[np.uint8]):
        latents = _run(runs["encoder"], "images", "latents", images_NHWC).astype(np.int16)
        self.answers_NHWC = _run(runs["decoder"], "latents", "images", latents).astype(np.uint8)
        payloads = _payloads(latents, tables)
        self.payload_bytes = float(np.mean([len(payload) for payload in payloads]))
        self.code_bytes = _code_bytes(name, images_NHWC.shape, payloads)


def report(
    task: "Compression", network: Autoencoder, runs: Runs, tables: Tables, preview: Path
) -> tuple[Metric, ...]:
    """Figures on the whole test set, of the published graphs; draws the preview."""
    data, name = task.data, task.recipe.name
    images = data.test.images_NCHW.permute(0, 2, 3, 1).contiguous()
    ours = _Weighed(name, runs, tables, images.numpy())
    served = Point(ours.code_bytes, _mean_psnr_db(torch.from_numpy(ours.answers_NHWC), images))
    with torch.inference_mode():
        scores = task.measure(network, data.test)
    compared = _spread(images).numpy()
    lossy = {codec: lossy_curve(codec, compared) for codec in LOSSY}
    lossless = {codec: lossless_bytes(codec, compared) for codec in LOSSLESS}
    curves = [
        Curve(name, _own_curve(task, network), served),
        *(Curve(codec, points, None) for codec, points in lossy.items()),
    ]
    digits = sample_inputs.digits(data.size_HW[0]).expand(-1, -1, -1, data.channels).numpy()
    shown = _Weighed(name, runs, tables, digits)
    rows = [
        ("as they came", digits),
        (f"out of {shown.code_bytes:.0f} bytes", shown.answers_NHWC),
    ]
    title = f"{data.title}, test: whole files"
    draw_rate_distortion(rows, curves, lossless, title, preview)

    def metric(key: str, value: float, unit: str, note: str, n: int = len(images)) -> Metric:
        return Metric(
            name=key, value=value, unit=unit, dataset=data.title, split="test", n=n, note=note
        )

    n, at_psnr = len(compared), "whole file at this model's PSNR, between the two nearest qualities"
    return (
        metric("mse_float", scores["mse_float"], "", "pixels in 0–1, latents not rounded"),
        metric("mse", scores["mse_coded"], "", "pixels in 0–1, latents rounded"),
        metric("psnr", served.psnr_db, "dB", "mean over pictures of 8-bit answers"),
        metric("code_bytes", served.size, "bytes", "whole container, mean over pictures"),
        metric("payload_bytes", ours.payload_bytes, "bytes", "entropy-coded latents alone"),
        *(metric(f"{k}_bytes", v, "bytes", "lossless, whole file", n) for k, v in lossless.items()),
        *(
            metric(
                f"{codec}_bytes_at_psnr",
                _size_at(points, served.psnr_db),
                "bytes",
                at_psnr,
                n,
            )
            for codec, points in lossy.items()
        ),
    )


def _own_curve(task: "Compression", network: Autoencoder) -> list[Point]:
    """The same network with finer and coarser steps, and tables of their own: not served."""
    test = _spread(task.data.test.images_NCHW).float() / 255
    train = task.data.train.images_NCHW.float() / 255
    shape = (len(test), *task.data.size_HW, task.data.channels)
    points = []
    with torch.inference_mode():
        latents, known = (
            torch.cat([network.encode(part) for part in torch.split(images, BATCH)])
            for images in (test, train)
        )
        for step in STEPS:
            tables = frequency_tables((known / step).round().short().numpy())
            coded = (latents / step).round()
            answers = [network.decode(part * step) for part in torch.split(coded, BATCH)]
            payloads = _payloads(coded.short().numpy(), tables)
            size = _code_bytes(task.recipe.name, shape, payloads)
            points.append(Point(size, float(psnr_db(eight_bits(torch.cat(answers)), test).mean())))
    return points


def _spread(images: Tensor) -> Tensor:
    """Not the first ones: MNIST's first 5,000 are neater than the rest."""
    return images[:: max(1, len(images) // COMPARED)][:COMPARED]


def _payloads(latents_NDhw: Latents, tables: Tables) -> list[bytes]:
    return [encode_latents(latents.reshape(len(latents), -1), tables) for latents in latents_NDhw]


def _code_bytes(name: str, shape_NHWC: tuple[int, ...], payloads: list[bytes]) -> float:
    """Mean length of whole containers, of version 1: up to 127 no other is longer."""
    _, height, width, channels = shape_NHWC
    mode: Mode = "L" if channels == 1 else "RGB"
    codes = [pack(Code(name, 1, bytes(4), width, height, mode, payload)) for payload in payloads]
    return float(np.mean([len(code) for code in codes]))


def _run(run: Run, given: str, wanted: str, tensors: NDArray[np.generic]) -> NDArray[np.generic]:
    starts = range(0, len(tensors), BATCH)
    return np.concatenate([run({given: tensors[at : at + BATCH]})[wanted] for at in starts])


def _mean_psnr_db(answers_NHWC: Tensor, images_NHWC: Tensor) -> float:
    return float(psnr_db(answers_NHWC.float() / 255, images_NHWC.float() / 255).mean())


def _size_at(curve: list[Point], wanted_db: float) -> float:
    ordered = sorted(curve, key=lambda point: point.psnr_db)
    return float(np.interp(wanted_db, [p.psnr_db for p in ordered], [p.size for p in ordered]))
