"""Image files made in memory, for the tests of the codecs."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image

pillow_heif.register_heif_opener()  # Pillow's `save` as HEIF

MAX_PIXELS = 4_000_000
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")

# Display P3 (SMPTE EG 432-1 primaries) adapted to D50, as in Apple's and Google's profiles.
DISPLAY_P3 = {
    b"rXYZ": (0.515102, 0.241182, -0.001050),
    b"gXYZ": (0.291965, 0.692236, 0.041882),
    b"bXYZ": (0.157153, 0.066582, 0.784378),
}
_D50 = (0.9642, 1.0, 0.8249)


def encoded(image: Image.Image, file_format: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def smooth(width: int, height: int) -> Image.Image:
    """Return a colour image without fine detail, which lossy formats hardly change."""
    y, x = np.mgrid[0:height, 0:width]
    bands = [255 * x / width, 255 * y / height, 127 + 100 * np.sin((x + 2 * y) / width * 3)]
    return Image.fromarray(np.stack(bands, axis=-1).astype(np.uint8))


def noise(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def with_orientation(image: Image.Image, file_format: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95} if file_format in {"JPEG", "WEBP"} else {}
    return encoded(image, file_format, exif=exif, **options)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    check = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)


def png(width: int, height: int, *chunks: bytes, depth: int = 8, color: int = 0) -> bytes:
    header = struct.pack(">2I5B", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + b"".join(chunks)


def _fixed16(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def matrix_profile(colorants: dict[bytes, tuple[float, float, float]]) -> bytes:
    """Return an ICC version 4 profile with sRGB's tone curve (ICC.1:2010, sections 7 to 10)."""
    curve = b"para\0\0\0\0\0\x03\0\0" + _fixed16(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    tags = {
        **{name: b"XYZ \0\0\0\0" + _fixed16(*xyz) for name, xyz in colorants.items()},
        b"wtpt": b"XYZ \0\0\0\0" + _fixed16(*_D50),
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    offset = 128 + 4 + 12 * len(tags)
    table, data = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += struct.pack(">4sII", name, offset + len(data), len(content))
        data += content.ljust(-(-len(content) // 4) * 4, b"\0")
    header = struct.pack(
        ">I4sI4s4s4s12x4s28x12s",
        offset + len(data), b"lcms", 0x04300000, b"mntr", b"RGB ", b"XYZ ", b"acsp",
        _fixed16(*_D50),
    )  # fmt: skip
    return header.ljust(128, b"\0") + table + data
