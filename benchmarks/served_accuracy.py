"""Measure a classifier's accuracy over HTTP, to compare it with its card.

    python -m benchmarks.served_accuracy http://127.0.0.1:8000 --model resnet-cifar10

Sends every CIFAR-10 test image as a PNG of its own, with several requests under way, and compares
the share of right answers with `accuracy` in the model's manifest. Ends with 1 when they differ by
more than 0.2 points. `--copy packed` reads the JPEG copy (see training/datasets/packed_jpeg.py).

With `--folder DIR`, sends the files in DIR/<label>/ unchanged instead, and prints how many of each
label are classified right.
"""

import argparse
import asyncio
import io
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
from PIL import Image

from training.datasets.base import ImageData
from training.datasets.cifar10 import Cifar10

TOLERANCE = 0.002


def main() -> int:
    """Measure and compare."""
    options = _arguments()
    if options.folder:
        return _measure_folder(options)
    data = Cifar10.model_validate({"copy": options.copy}).load()
    card = httpx.get(f"{options.url}/v1/models/{options.model}").raise_for_status().json()
    precision = options.precision or card["served"]
    published = next(
        metric["value"]
        for metric in card["metrics"]
        if metric["name"] == "accuracy" and metric["precision"] == precision
    )
    started = time.perf_counter()
    labels = asyncio.run(_classify(options, _encode_images(data)))
    seconds = time.perf_counter() - started
    correct = sum(predicted == expected for expected, predicted, _ in labels)
    accuracy, count = correct / len(labels), len(labels)
    print(
        f"{accuracy:.4f} right over HTTP, {published:.4f} in the manifest, "
        f"{precision}, n = {count:,}"
    )
    print(f"{count / seconds:,.0f} images/s with {options.clients} clients in one process")
    return 0 if abs(accuracy - published) <= TOLERANCE else 1


def _measure_folder(options: argparse.Namespace) -> int:
    files = sorted(path for path in options.folder.glob("*/*") if path.is_file())
    predictions = asyncio.run(
        _classify(options, ((path.read_bytes(), path.parent.name) for path in files))
    )
    for label, count in Counter(expected for expected, _, _ in predictions).items():
        correct = sum(expected == predicted == label for expected, predicted, _ in predictions)
        print(f"{label}: {correct} of {count}")
    correct = sum(expected == predicted for expected, predicted, _ in predictions)
    confidence = sum(probability for _, _, probability in predictions) / len(predictions)
    print(f"{correct} of {len(predictions)} right, mean probability of the answer {confidence:.3f}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("url")
    parser.add_argument("--model", default="resnet-cifar10")
    parser.add_argument("--folder", type=Path, help="a folder of images for each label")
    parser.add_argument("--copy", choices=("torchvision", "packed"), default="torchvision")
    parser.add_argument("--precision", choices=("fp32", "int8"), help="else what answers unasked")
    parser.add_argument("--clients", type=int, default=8)
    return parser.parse_args()


async def _classify(
    options: argparse.Namespace, images: Iterator[tuple[bytes, str]]
) -> list[tuple[str, str, float]]:
    """Return for each of `images` its label, the label of the answer and its probability."""
    precision = {"precision": options.precision} if options.precision else {}
    async with httpx.AsyncClient(base_url=options.url, timeout=30) as client:

        async def run_client() -> list[tuple[str, str, float]]:
            predictions = []
            for image, label in images:  # one iterator for all: each image is taken once
                response = await client.post(
                    "/v1/classify",
                    params={"model": options.model, "top_k": 1, **precision},
                    content=image,
                    headers={"Content-Type": "application/octet-stream"},
                )
                best = response.raise_for_status().json()["results"][0]["predictions"][0]
                predictions.append((label, best["label"], best["probability"]))
            return predictions

        parts = await asyncio.gather(*(run_client() for _ in range(options.clients)))
        return [prediction for part in parts for prediction in part]


def _encode_images(data: ImageData) -> Iterator[tuple[bytes, str]]:
    for pixels, label in zip(
        data.test.images_NCHW.permute(0, 2, 3, 1), data.test.labels_N, strict=True
    ):
        buffer = io.BytesIO()
        Image.fromarray(pixels.numpy()).save(buffer, "PNG", compress_level=1)
        yield buffer.getvalue(), data.labels[int(label)]


if __name__ == "__main__":
    sys.exit(main())
