"""Measure a classifier's accuracy over HTTP, to compare it with its card.

    python -m benchmarks.served_accuracy http://127.0.0.1:8000 --model resnet-cifar10

Sends every CIFAR-10 test image as a PNG of its own, with several requests under way, and compares
the share of right answers with `accuracy` in the model's manifest. Ends with 1 when they differ by
more than 0.2 points. `--copy packed` reads the JPEG copy (see training/datasets/packed_jpeg.py).
"""

import argparse
import asyncio
import io
import sys
import time
from collections.abc import Iterator

import httpx
from PIL import Image

from training.datasets.base import ImageSplit
from training.datasets.cifar10 import Cifar10

TOLERANCE = 0.002


def main() -> int:
    """Measure and compare."""
    options = _arguments()
    data = Cifar10.model_validate({"copy": options.copy}).load()
    card = httpx.get(f"{options.url}/v1/models/{options.model}").raise_for_status().json()
    precision = options.precision or card["served"]
    published = next(
        one["value"]
        for one in card["metrics"]
        if one["name"] == "accuracy" and one["precision"] == precision
    )
    started = time.perf_counter()
    right = asyncio.run(_count_correct(options, data.test))
    seconds = time.perf_counter() - started
    accuracy, count = right / len(data.test), len(data.test)
    print(
        f"{accuracy:.4f} right over HTTP, {published:.4f} in the manifest, "
        f"{precision}, n = {count:,}"
    )
    print(f"{count / seconds:,.0f} images/s with {options.clients} clients in one process")
    return 0 if abs(accuracy - published) <= TOLERANCE else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("url")
    parser.add_argument("--model", default="resnet-cifar10")
    parser.add_argument("--copy", choices=("torchvision", "packed"), default="torchvision")
    parser.add_argument("--precision", choices=("fp32", "int8"), help="else what answers unasked")
    parser.add_argument("--clients", type=int, default=8)
    return parser.parse_args()


async def _count_correct(options: argparse.Namespace, split: ImageSplit) -> int:
    work = iter(list(_requests(split)))
    precision = {"precision": options.precision} if options.precision else {}
    async with httpx.AsyncClient(base_url=options.url, timeout=30) as client:

        async def one_client() -> int:
            correct = 0
            for png, label in work:  # one iterator for all: each image is taken once
                answer = await client.post(
                    "/v1/classify",
                    params={"model": options.model, "top_k": 1, **precision},
                    content=png,
                    headers={"Content-Type": "image/png"},
                )
                results = answer.raise_for_status().json()["results"]
                correct += results[0]["predictions"][0]["index"] == label
            return correct

        return sum(await asyncio.gather(*(one_client() for _ in range(options.clients))))


def _requests(split: ImageSplit) -> Iterator[tuple[bytes, int]]:
    for pixels, label in zip(split.images_NCHW.permute(0, 2, 3, 1), split.labels_N, strict=True):
        buffer = io.BytesIO()
        Image.fromarray(pixels.numpy()).save(buffer, "PNG", compress_level=1)
        yield buffer.getvalue(), int(label)


if __name__ == "__main__":
    sys.exit(main())
