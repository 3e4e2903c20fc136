"""Images for golden cases and previews: rendered, or from a package, never a user's data."""

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_sample_image
from torch import Generator, Tensor


def rendered_digits(size: int = 28) -> Tensor:
    """Return the ten digits in Pillow's typeface, white on black: uint8 (10, size, size, 1)."""
    font = ImageFont.load_default(size * 0.85)
    images = []
    for digit in "0123456789":
        canvas = Image.new("L", (size, size))
        ImageDraw.Draw(canvas).text((size / 2, size / 2), digit, fill=255, font=font, anchor="mm")
        images.append(np.asarray(canvas))
    return torch.from_numpy(np.stack(images)[..., None])


def photo_crops(count: int, height: int, width: int, mode: str) -> Tensor:
    """Return random squares of scikit-learn's two photographs: uint8 (count, height, width, C)."""
    random = np.random.default_rng(0)
    sources = [Image.fromarray(load_sample_image(name)) for name in ("china.jpg", "flower.jpg")]
    images = []
    for index in range(count):
        source = sources[index % len(sources)]
        side = int(random.integers(120, source.height))
        left = int(random.integers(source.width - side))
        top = int(random.integers(source.height - side))
        square = source.crop((left, top, left + side, top + side)).convert(mode)
        pixels = np.asarray(square.resize((width, height), Image.Resampling.BOX))
        images.append(pixels.reshape(height, width, -1))
    return torch.from_numpy(np.stack(images))


def random_bytes(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    """Return uniformly distributed bytes."""
    generator = Generator().manual_seed(seed)
    return torch.randint(256, shape, generator=generator, dtype=torch.uint8)
