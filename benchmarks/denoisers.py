"""A denoiser of photographs beside non-local means and BM3D, on the same noisy pictures.

    pip install -e '.[dev]' bm3d PyWavelets
    python -m benchmarks.denoisers set12                  # a folder of photographs of your own
    python -m benchmarks.denoisers --samples --sigma 25   # five in colour that packages ship

Noise is Gaussian, in floats and unclipped, as in the literature; what comes back is clipped and
rounded to 8 bits, of every method alike. The network is blind. The others are told the noise's true
deviation; BM3D is asked a second time with the deviation that scikit-image estimates. Weights are
those of the published graph. Times are of one thread (set OMP_NUM_THREADS=1), the network's by
onnxruntime on bytes, as it is served. `bm3d` is free for non-commercial use alone; without it, its
rows are left out. The network's figures of clean pictures are printed below the table.
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

from models_store.layout import version_dir, versions
from models_store.verify import read_manifest
from training.datasets.image_io import read_whole
from training.datasets.unlabelled_image_folder import files_below
from training.networks.photo_denoiser import PhotoDenoiser
from training.pretrained.files import load as load_weights
from training.pretrained.state import fill
from training.tasks.noise import eight_bits, is_grey, noisy, psnr_db
from training.tasks.photo_denoising import restored

LONGEST = 1024
Image = NDArray[np.float64]
_METHODS = ("network", "nlm", "bm3d", "bm3d-estimating")
Method = Callable[[Image, float], Image]
"""A noisy picture (H, W) or (H, W, 3) around 0–1 and the noise's true deviation → an estimate."""


@dataclass
class Row:
    """What one method did, by deviation."""

    psnr_db: dict[float, list[float]] = field(default_factory=dict)
    seconds: float = 0.0
    pixels: int = 0


def main() -> int:
    """Measure and print a table."""
    options = _arguments()
    torch.set_num_threads(1)
    pictures = _samples() if options.samples else _read(options.folder)
    network, multiple, session = _published(options.store, options.model)
    rows: dict[str, Row] = {}
    with torch.inference_mode():
        for sigma in options.sigma:
            generator = Generator().manual_seed(0)
            for picture in pictures:
                clean = picture[None].float() / 255
                came = noisy(clean, sigma, generator)
                _note(rows, "the noisy picture", sigma, psnr_db(eight_bits(came), clean))
                if "network" in options.only:
                    estimate = restored(network, came, multiple)
                    _note(rows, options.model, sigma, psnr_db(estimate, clean))
                    _time(rows[options.model], session, eight_bits(came), multiple)
                for name, method in _methods(options.only).items():
                    _measure(rows, name, method, came, clean, sigma)
                print(".", end="", file=sys.stderr, flush=True)
    _print(rows, options.sigma, len(pictures))
    if "network" in options.only:
        _print_untouched(network, multiple, pictures)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--samples", action="store_true")
    parser.add_argument("--sigma", type=float, nargs="+", default=[15.0, 25.0, 50.0])
    parser.add_argument("--only", nargs="+", choices=_METHODS, default=list(_METHODS))
    parser.add_argument("--store", type=Path, default=Path("models_store"))
    parser.add_argument("--model", default="denoiser-photo")
    options = parser.parse_args()
    if (options.folder is None) == (not options.samples):
        parser.error("give a folder of photographs, or --samples")
    return options


def _read(folder: Path) -> list[Tensor]:
    return [read_whole(file, LONGEST) for file in files_below(folder)]


def _samples() -> list[Tensor]:
    """Five photographs in colour: two of scikit-learn's, three of scikit-image's."""
    pictures = [load_sample_image(name) for name in ("china.jpg", "flower.jpg")]
    pictures += [samples.astronaut(), samples.coffee(), samples.chelsea()]  # type: ignore[no-untyped-call]
    return [torch.from_numpy(np.array(p)).permute(2, 0, 1).contiguous() for p in pictures]


def _published(store: Path, name: str) -> tuple[nn.Module, int, ort.InferenceSession]:
    """The newest version: as torch's network, for noise that is no bytes, and as it is served."""
    folder = version_dir(store, name, max(versions(store, name)))
    manifest = read_manifest(folder)
    config = PhotoDenoiser.Config.model_validate(manifest.provenance.recipe["network"])
    network = config.build().eval()
    path = folder / manifest.file("model").path
    tensors = load_weights(path).tensors
    fill(network, {key.removeprefix("network."): value for key, value in tensors.items()}, path)
    threads = ort.SessionOptions()
    threads.intra_op_num_threads = 1
    return network, config.multiple_of, ort.InferenceSession(path, threads)


def _time(row: Row, session: ort.InferenceSession, came: Tensor, multiple: int) -> None:
    height, width = (side // multiple * multiple for side in came.shape[2:])
    image = (came[..., :height, :width] * 255).round().permute(0, 2, 3, 1).to(torch.uint8).numpy()
    if not row.pixels:
        session.run(None, {"images": image})  # the first run allocates
    started = time.perf_counter()
    session.run(None, {"images": image})
    row.seconds += time.perf_counter() - started
    row.pixels += height * width


def _methods(wanted: Sequence[str]) -> dict[str, Method]:
    """By the name of their row, those that are wanted and installed."""
    methods = {
        "nlm": ("non-local means", _non_local_means, ()),
        "bm3d": ("BM3D", _bm3d, ("bm3d",)),
        "bm3d-estimating": ("BM3D, deviation estimated", _bm3d_estimating, ("bm3d", "pywt")),
    }
    return {
        row: method
        for name, (row, method, needs) in methods.items()
        if name in wanted and all(find_spec(package) for package in needs)
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
    rows: dict[str, Row], name: str, method: Method, came: Tensor, clean: Tensor, sigma: float
) -> None:
    grey = is_grey(came)
    image = came[0].permute(1, 2, 0).double().numpy()
    started = time.perf_counter()
    estimate = method(image[..., 0] if grey else image, sigma / 255)
    seconds = time.perf_counter() - started
    channels = torch.from_numpy(np.ascontiguousarray(estimate)).float()
    back = channels.expand(1, 3, -1, -1) if grey else channels.permute(2, 0, 1)[None]
    _note(rows, name, sigma, psnr_db(eight_bits(back), clean))
    rows[name].seconds += seconds
    rows[name].pixels += image.shape[0] * image.shape[1]


def _note(rows: dict[str, Row], name: str, sigma: float, figure: Tensor) -> None:
    rows.setdefault(name, Row()).psnr_db.setdefault(sigma, []).append(float(figure))


def _print_untouched(network: nn.Module, multiple: int, pictures: Sequence[Tensor]) -> None:
    with torch.inference_mode():
        cleans = [picture[None].float() / 255 for picture in pictures]
        kept = [float(psnr_db(restored(network, clean, multiple), clean)) for clean in cleans]
    print(f"\nclean pictures come back at {np.mean(kept):.2f} dB, the worst at {min(kept):.2f} dB")


def _print(rows: dict[str, Row], sigmas: Sequence[float], count: int) -> None:
    print(f"\nmean PSNR in dB, n = {count}\n")
    print("\n".join(_lines(rows, sigmas)))


def _lines(rows: dict[str, Row], sigmas: Sequence[float]) -> Iterator[str]:
    yield "| | " + " | ".join(f"σ = {sigma:g}" for sigma in sigmas) + " | s per megapixel |"
    yield "|---" * (len(sigmas) + 2) + "|"
    for name, row in rows.items():
        cells = [f"{np.mean(row.psnr_db[sigma]):.2f}" for sigma in sigmas]
        cells.append(f"{row.seconds / row.pixels * 1e6:.2f}" if row.pixels else "")
        yield f"| {name} | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.exit(main())
