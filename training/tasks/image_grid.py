"""Save images as a grid."""

import math
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid


def draw_grid(images_NCHW: Tensor, path: Path, columns: int | None = None, scale: int = 2) -> None:
    """Write uint8 images row by row as one PNG; without `columns`, as square as possible."""
    columns = columns or math.ceil(math.sqrt(len(images_NCHW)))
    grid_CHW = make_grid(images_NCHW, nrow=columns, padding=1, pad_value=255)
    pixels = grid_CHW.permute(1, 2, 0).to(torch.uint8).numpy()
    image = Image.fromarray(pixels)
    path.parent.mkdir(parents=True, exist_ok=True)
    size = (image.width * scale, image.height * scale)
    image.resize(size, Image.Resampling.BICUBIC).save(path)
