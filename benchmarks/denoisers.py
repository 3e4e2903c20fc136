"""A denoiser of photographs beside non-local means and BM3D, on the same noisy images.

    pip install -e '.[training]' scikit-image bm3d PyWavelets
    python -m benchmarks.denoisers set12                  # a folder of photographs of your own
    python -m benchmarks.denoisers --samples --sigma 25   # five in colour that packages ship
    python -m benchmarks.denoisers realnoise --pairs --sigma 3 5 7 10   # *_real.JPG, *_mean.JPG

Noise is Gaussian, in floats and unclipped, as in the literature; what comes back is clipped and
rounded to 8 bits, of every method alike. The network is blind. The others are told the noise's true
deviation; BM3D is asked a second time with the deviation that scikit-image estimates. Weights are
those of the published graph. Times are of one thread (set OMP_NUM_THREADS=1), the network's by
onnxruntime on bytes, as it is served. `bm3d` is free for non-commercial use alone; without it, its
rows are left out. The network's figures of clean images are printed below the table.

With `--pairs`, the noise is that of real photographs, and BM3D gets the best of the deviations for
each image: an upper limit, because nobody knows it without the clean image.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from skimage import data as samples
from skimage.restoration import denoise_nl_means, estimate_sigma
from sklearn.datasets import load_sample_image
from torch import Generator, Tensor, nn

from models_store.layout import list_versions, version_dir
from models_store.verify import read_manifest
from training.datasets.image_files import find_image_files
from training.datasets.image_io import read_downscaled_image
from training.datasets.noise import add_gaussian_noise, is_gray, quantize_8bit
from training.datasets.photo_folders import ImagePairs
from training.metrics.rate_distortion import psnr_db
from training.networks.photo_denoiser import PhotoDenoiser
from training.pretrained.files import load_weights_file as load_weights
from training.pretrained.state import load_into
from training.tasks.photo_denoising import denoise_image

MAX_SIDE = 1024
Image = NDArray[np.float64]
_METHODS = ("network", "nlm", "bm3d", "bm3d-estimating")
Method = Callable[[Image, float], Image]
"""A noisy image (H, W) or (H, W, 3) around 0–1 and the noise's true deviation → an estimate."""


@dataclass
class MethodResult:
    """Results of one method, by noise deviation."""

    psnr_db: dict[float, list[float]] = field(default_factory=dict)
    seconds: float = 0.0
    pixels: int = 0


def main() -> int:
    """Measure and print a table."""
    options = _arguments()
    torch.set_num_threads(1)
    if options.pairs:
        return _compare_pairs(options)
    images = _samples() if options.samples else _read(options.folder)
    network, multiple, session = _load_published(options.store, options.model)
    rows: dict[str, MethodResult] = {}
    with torch.inference_mode():
        for sigma in options.sigma:
            generator = Generator().manual_seed(0)
            for image in images:
                clean = image[None].float() / 255
                noisy_BCHW = add_gaussian_noise(clean, sigma, generator)
                _record(rows, "the noisy image", sigma, psnr_db(quantize_8bit(noisy_BCHW), clean))
                if "network" in options.only:
                    estimate = denoise_image(network, noisy_BCHW, multiple)
                    _record(rows, options.model, sigma, psnr_db(estimate, clean))
                    _time_session(rows[options.model], session, quantize_8bit(noisy_BCHW), multiple)
                for name, method in _methods(options.only).items():
                    _measure(rows, name, method, noisy_BCHW, clean, sigma)
                print(".", end="", file=sys.stderr, flush=True)
    _print(rows, options.sigma, len(images))
    if "network" in options.only:
        _print_clean_images(network, multiple, images)
    return 0


def _compare_pairs(options: argparse.Namespace) -> int:
    """Print a row for each pair as it is measured, then the means."""
    network, multiple, _ = _load_published(options.store, options.model)
    pairs = ImagePairs(path=options.folder.absolute(), title="pairs").load()[:: options.every]
    columns = ("noisy", options.model, "BM3D at its best σ", "σ")
    print(" ".join(f"{column:>18}" for column in columns))
    rows = []
    for noisy_CHW, clean_CHW in pairs:
        noisy_BCHW, clean = noisy_CHW[None].float() / 255, clean_CHW[None].float() / 255
        with torch.inference_mode():
            estimate = denoise_image(network, noisy_BCHW, multiple)
        best = max(_bm3d_psnr(noisy_BCHW, clean, sigma) for sigma in options.sigma)
        rows.append((float(psnr_db(noisy_BCHW, clean)), float(psnr_db(estimate, clean)), *best))
        print(" ".join(f"{value:18.2f}" for value in rows[-1]), flush=True)
    print(f"means, n = {len(rows)}: " + " ".join(f"{mean:.2f}" for mean in np.mean(rows, axis=0)))
    return 0


def _bm3d_psnr(noisy_BCHW: Tensor, clean: Tensor, sigma: float) -> tuple[float, float]:
    """Return the PSNR in dB of BM3D told `sigma`, and `sigma`."""
    estimate = _bm3d(noisy_BCHW[0].permute(1, 2, 0).double().numpy(), sigma / 255)
    back = torch.from_numpy(np.ascontiguousarray(estimate)).float().permute(2, 0, 1)[None]
    return float(psnr_db(quantize_8bit(back), clean)), sigma


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--samples", action="store_true")
    parser.add_argument("--pairs", action="store_true", help="FOLDER holds real noise")
    parser.add_argument("--every", type=int, default=1, help="with --pairs: measure each Nth pair")
    parser.add_argument("--sigma", type=float, nargs="+", default=[15.0, 25.0, 50.0])
    parser.add_argument("--only", nargs="+", choices=_METHODS, default=list(_METHODS))
    parser.add_argument("--store", type=Path, default=Path("models_store"))
    parser.add_argument("--model", default="denoiser-photo")
    options = parser.parse_args()
    if (options.folder is None) == (not options.samples):
        parser.error("give a folder of photographs, or --samples")
    return options


def _read(folder: Path) -> list[Tensor]:
    return [read_downscaled_image(file, MAX_SIDE) for file in find_image_files(folder)]


def _samples() -> list[Tensor]:
    """Return five photographs in colour: two of scikit-learn's, three of scikit-image's."""
    images = [load_sample_image(name) for name in ("china.jpg", "flower.jpg")]
    images += [samples.astronaut(), samples.coffee(), samples.chelsea()]  # type: ignore[no-untyped-call]
    return [torch.from_numpy(np.array(p)).permute(2, 0, 1).contiguous() for p in images]


def _load_published(store: Path, name: str) -> tuple[nn.Module, int, ort.InferenceSession]:
    """Return torch's network of the newest version, for float noise, and the published graph."""
    folder = version_dir(store, name, max(list_versions(store, name)))
    manifest = read_manifest(folder)
    config = PhotoDenoiser.Config.model_validate(manifest.provenance.recipe["network"])
    network = config.build().eval()
    path = folder / manifest.get_file("model").path
    tensors = load_weights(path).tensors
    load_into(
        network, {key.removeprefix("network."): value for key, value in tensors.items()}, path
    )
    threads = ort.SessionOptions()
    threads.intra_op_num_threads = 1
    return network, config.multiple_of, ort.InferenceSession(path, threads)


def _time_session(
    row: MethodResult, session: ort.InferenceSession, noisy_BCHW: Tensor, multiple: int
) -> None:
    height, width = (side // multiple * multiple for side in noisy_BCHW.shape[2:])
    image = (
        (noisy_BCHW[..., :height, :width] * 255).round().permute(0, 2, 3, 1).to(torch.uint8).numpy()
    )
    if not row.pixels:
        session.run(None, {"images": image})  # the first run allocates
    started = time.perf_counter()
    session.run(None, {"images": image})
    row.seconds += time.perf_counter() - started
    row.pixels += height * width


def _methods(requested: Sequence[str]) -> dict[str, Method]:
    """Return the requested denoisers that are installed, by the name of their row."""
    methods = {
        "nlm": ("non-local means", _non_local_means, ()),
        "bm3d": ("BM3D", _bm3d, ("bm3d",)),
        "bm3d-estimating": ("BM3D, deviation estimated", _bm3d_estimating, ("bm3d", "pywt")),
    }
    return {
        row: method
        for name, (row, method, needs) in methods.items()
        if name in requested and all(find_spec(package) for package in needs)
    }


def _non_local_means(image: Image, sigma: float) -> Image:
    # The settings of scikit-image's own example; its larger default windows are no better.
    axis = {"channel_axis": -1} if image.ndim == 3 else {}
    done: Image = denoise_nl_means(
        image, h=0.8 * sigma, sigma=sigma, patch_size=5, patch_distance=6, fast_mode=True, **axis
    )
    return done


def _bm3d(image: Image, sigma: float) -> Image:
    import bm3d

    method: Any = bm3d.bm3d_rgb if image.ndim == 3 else bm3d.bm3d
    done: Image = np.asarray(method(image, sigma)).reshape(image.shape)
    return done


def _bm3d_estimating(image: Image, sigma: float) -> Image:
    del sigma
    estimate: Any = estimate_sigma
    axis = {"channel_axis": -1, "average_sigmas": True} if image.ndim == 3 else {}
    return _bm3d(image, float(estimate(image, **axis)))


def _measure(
    rows: dict[str, MethodResult],
    name: str,
    method: Method,
    noisy_BCHW: Tensor,
    clean: Tensor,
    sigma: float,
) -> None:
    gray = is_gray(noisy_BCHW)
    image = noisy_BCHW[0].permute(1, 2, 0).double().numpy()
    started = time.perf_counter()
    estimate = method(image[..., 0] if gray else image, sigma / 255)
    seconds = time.perf_counter() - started
    channels = torch.from_numpy(np.ascontiguousarray(estimate)).float()
    back = channels.expand(1, 3, -1, -1) if gray else channels.permute(2, 0, 1)[None]
    _record(rows, name, sigma, psnr_db(quantize_8bit(back), clean))
    rows[name].seconds += seconds
    rows[name].pixels += image.shape[0] * image.shape[1]


def _record(rows: dict[str, MethodResult], name: str, sigma: float, figure: Tensor) -> None:
    rows.setdefault(name, MethodResult()).psnr_db.setdefault(sigma, []).append(float(figure))


def _print_clean_images(network: nn.Module, multiple: int, images: Sequence[Tensor]) -> None:
    with torch.inference_mode():
        cleans = [image[None].float() / 255 for image in images]
        psnrs = [float(psnr_db(denoise_image(network, clean, multiple), clean)) for clean in cleans]
    print(f"\nclean images come back at {np.mean(psnrs):.2f} dB, the worst at {min(psnrs):.2f} dB")


def _print(rows: dict[str, MethodResult], sigmas: Sequence[float], count: int) -> None:
    print(f"\nmean PSNR in dB, n = {count}\n")
    print("\n".join(_lines(rows, sigmas)))


def _lines(rows: dict[str, MethodResult], sigmas: Sequence[float]) -> Iterator[str]:
    yield "| | " + " | ".join(f"σ = {sigma:g}" for sigma in sigmas) + " | s per megapixel |"
    yield "|---" * (len(sigmas) + 2) + "|"
    for name, row in rows.items():
        cells = [f"{np.mean(row.psnr_db[sigma]):.2f}" for sigma in sigmas]
        cells.append(f"{row.seconds / row.pixels * 1e6:.2f}" if row.pixels else "")
        yield f"| {name} | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.exit(main())
