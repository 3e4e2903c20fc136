"""Embedded ICC profiles: decoded values are sRGB, whatever the container."""

import struct
from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from models_store.images.orientation import find_orientation
from models_store.tasks import FixedImage
from service.codecs.images import _plan_resize, decode_native, decode_resized
from tests.service.codecs.files import DISPLAY_P3, matrix_profile

MAX_PIXELS = 4_000_000
P3 = matrix_profile(DISPLAY_P3)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _file(image: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


_CONTAINERS: dict[str, dict[str, object]] = {
    "PNG": {},
    "JPEG": {"quality": 100, "subsampling": 0},
    "WebP": {"lossless": True},
    "TIFF": {},
}


@pytest.mark.parametrize("file_format", _CONTAINERS)
def test_display_p3_is_converted_to_srgb(file_format: str) -> None:
    # sRGB red in Display P3 is (234, 51, 35): CSS Color 4, sample code, rounded to 8 bits.
    image = Image.new("RGB", (24, 16), (234, 51, 35))
    data = _file(image, file_format, icc_profile=P3, **_CONTAINERS[file_format])
    red_HWC = decode_native(data, "RGB", MAX_PIXELS)
    assert np.abs(red_HWC.astype(int) - (255, 0, 0)).max() <= 2
    spec = FixedImage(height=8, width=8, mode="RGB", resize="crop")
    assert np.abs(decode_resized(data, spec, MAX_PIXELS).astype(int) - (255, 0, 0)).max() <= 2


def test_conversion_agrees_with_pillow_on_random_colors() -> None:
    pixels_HWC = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    image = Image.fromarray(pixels_HWC)
    expected = ImageCms.profileToProfile(
        image, BytesIO(P3), ImageCms.createProfile("sRGB"), ImageCms.Intent.RELATIVE_COLORIMETRIC
    )
    decoded_HWC = decode_native(_file(image, "PNG", icc_profile=P3), "RGB", MAX_PIXELS)
    assert np.abs(decoded_HWC.astype(int) - np.asarray(expected).astype(int)).max() <= 1


@pytest.mark.parametrize(
    "profile", [SRGB, b"not a profile", P3[:200]], ids=["srgb", "no profile", "truncated"]
)
def test_srgb_and_damaged_profiles_leave_pixels_unchanged(profile: bytes) -> None:
    pixels_HWC = np.random.default_rng(1).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    data = _file(Image.fromarray(pixels_HWC), "PNG", icc_profile=profile)
    assert np.array_equal(decode_native(data, "RGB", MAX_PIXELS), pixels_HWC)


def test_a_profile_for_another_color_space_is_ignored() -> None:
    gray_HW = np.arange(64, dtype=np.uint8).reshape(8, 8)
    data = _file(Image.fromarray(gray_HW), "PNG", icc_profile=P3)
    assert np.array_equal(decode_native(data, "L", MAX_PIXELS)[..., 0], gray_HW)


def test_alpha_is_composited_on_white_before_the_conversion() -> None:
    image = Image.new("RGBA", (4, 4), (234, 51, 35, 0))
    assert decode_native(_file(image, "PNG", icc_profile=P3), "RGB", MAX_PIXELS).min() == 255


# Orientation


def _tiff_block(kind: int, value: int, order: str) -> bytes:
    field = struct.pack(f"{order}HHI", 0x0112, kind, 1)
    field += struct.pack(f"{order}I", value) if kind == 4 else struct.pack(f"{order}H2x", value)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(f"{order}IH", 8, 1) + field + b"\0\0\0\0"


_XMP = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
_BLOCK = _tiff_block(3, 6, "<")
_ORIENTED: dict[str, dict[str | tuple[int, int], object]] = {
    "short, little-endian": {"exif": b"Exif\0\0" + _BLOCK},
    "short, big-endian": {"exif": b"Exif\0\0" + _tiff_block(3, 6, ">")},
    "long, little-endian": {"exif": b"Exif\0\0" + _tiff_block(4, 6, "<")},
    "long, big-endian": {"exif": b"Exif\0\0" + _tiff_block(4, 6, ">")},
    "no header": {"exif": _BLOCK},
    "doubled header": {"exif": b"Exif\0\0Exif\0\0" + _BLOCK},
    "XMP attribute": {"xmp": _XMP},
    "XMP element": {"xmp": b"<tiff:Orientation>6</tiff:Orientation>"},
    "XMP of a PNG": {"XML:com.adobe.xmp": _XMP.decode()},
    "EXIF text of a PNG": {"Raw profile type exif": f"\nexif\n{len(_BLOCK)}\n{_BLOCK.hex()}\n"},
}


@pytest.mark.parametrize("info", _ORIENTED.values(), ids=_ORIENTED)
def test_orientation_is_found_where_pillow_finds_it(
    info: dict[str | tuple[int, int], object],
) -> None:
    image = Image.new("L", (2, 3))
    image.info = dict(info)
    assert ImageOps.exif_transpose(image).size == (3, 2)
    assert find_orientation(info) == 6


@pytest.mark.parametrize("value", [0, 9, 70_000])
def test_an_orientation_out_of_range_is_ignored(value: int) -> None:
    assert find_orientation({"exif": _tiff_block(4, value, ">")}) == 1


# Cropping


_SHAPES: dict[str, Callable[[int], tuple[int, int]]] = {
    "n × 450": lambda n: (n, 450),
    "600 × n": lambda n: (600, n),
    "4:3": lambda n: (4 * n, 3 * n),
    "16:9": lambda n: (16 * n, 9 * n),
    "n × 1": lambda n: (n, 1),
    "n × 2000": lambda n: (n, 2000),
}


@pytest.mark.parametrize("shape", _SHAPES)
@pytest.mark.parametrize("target", [(224, 224), (32, 32), (28, 28), (300, 200)])
def test_the_crop_lies_inside_images_of_every_size(shape: str, target: tuple[int, int]) -> None:
    for n in range(1, 2001):
        width, height = _SHAPES[shape](n)
        (left, top, right, bottom), size = _plan_resize((width, height), target, "crop")
        assert size == target
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        # As ImageOps.fit: centred, with the target's aspect ratio and one full side.
        assert (right - left) / (bottom - top) == pytest.approx(target[0] / target[1], rel=1e-6)
        assert right - left == pytest.approx(width) or bottom - top == pytest.approx(height)


@pytest.mark.parametrize("size", [(600, 450), (1200, 900), (1600, 900), (333, 777)])
def test_cropped_images_agree_with_pillow_s_fit(size: tuple[int, int]) -> None:
    gradient_HW = np.add.outer(np.arange(size[1]), np.arange(size[0])) % 256
    image = Image.fromarray(gradient_HW.astype(np.uint8))
    spec = FixedImage(height=224, width=224, mode="L", resize="crop")
    decoded_HW = decode_resized(_file(image, "PNG"), spec, MAX_PIXELS)[..., 0]
    expected_HW = np.asarray(ImageOps.fit(image, (224, 224), Image.Resampling.BICUBIC))
    inner = (slice(4, -4), slice(4, -4))
    difference_HW = np.abs(decoded_HW[inner].astype(int) - expected_HW[inner].astype(int))
    assert np.median(difference_HW) <= 1
