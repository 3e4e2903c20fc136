"""HEIC and HEIF, compared with pillow-heif's own decoding and with Pillow's `exif_transpose`."""

import subprocess
import sys
from io import BytesIO

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageOps

from models_store.images.heif import AVIF_SIGNATURE, HEIF_SIGNATURE
from models_store.tasks import FixedImage
from service.codecs.images import decode_native, decode_resized
from service.errors import ContentTooLarge, InvalidValue
from tests.service.codecs.files import (
    DISPLAY_P3,
    MAX_PIXELS,
    encoded,
    matrix_profile,
    smooth,
    with_orientation,
)

PHOTO = smooth(120, 70)


def _difference(decoded: np.ndarray, expected: Image.Image) -> int:
    pixels = np.asarray(expected.convert("RGB"))
    assert decoded.shape == pixels.shape
    return int(np.abs(decoded.astype(int) - pixels).max())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_the_container_is_applied_once(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(PHOTO, "HEIF", quality=95, exif=exif.tobytes())  # becomes irot and imir
    upright = ImageOps.exif_transpose(
        Image.open(BytesIO(with_orientation(PHOTO, "PNG", orientation)))
    )
    assert _difference(decode_native(data, "RGB", MAX_PIXELS), upright) <= 12
    spec = FixedImage(width=60, height=60, mode="RGB", resize="crop")
    fitted = ImageOps.fit(upright, (60, 60), Image.Resampling.BICUBIC)
    assert _difference(decode_resized(data, spec, MAX_PIXELS), fitted) <= 12


def test_orientations_of_exif_and_xmp_do_not_count() -> None:
    # ISO 23008-12, section 6.5.10: readers apply the container's transformations alone.
    exif = Image.Exif()
    exif[0x0112] = 1
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="1"/></x:xmpmeta>'
    data = encoded(PHOTO, "HEIF", quality=95, exif=exif, xmp=xmp)
    block = exif.tobytes().removeprefix(b"Exif\0\0")
    turned = exif
    turned[0x0112] = 6
    other = turned.tobytes().removeprefix(b"Exif\0\0")
    assert data.count(block) == data.count(b'Orientation="1"') == 1
    changed = data.replace(block, other).replace(b'Orientation="1"', b'Orientation="6"')
    assert np.array_equal(
        decode_native(changed, "RGB", MAX_PIXELS), decode_native(data, "RGB", MAX_PIXELS)
    )


def test_the_primary_image_is_decoded() -> None:
    others = [Image.new("RGB", (64, 64), color) for color in ("red", "blue")]
    data = encoded(PHOTO, "HEIF", save_all=True, append_images=others, primary_index=2)
    pixels = decode_native(data, "RGB", MAX_PIXELS)
    assert pixels.shape == (64, 64, 3)
    assert np.abs(pixels.astype(int) - (0, 0, 255)).max() <= 6


def test_a_thumbnail_never_stands_in_for_the_image() -> None:
    data = encoded(PHOTO.resize((400, 300)), "HEIF", quality=95, thumbnails=[64])
    spec = FixedImage(width=40, height=30, mode="RGB", resize="stretch")
    whole = Image.fromarray(decode_native(data, "RGB", MAX_PIXELS))
    expected = whole.resize((40, 30), Image.Resampling.BICUBIC, reducing_gap=4.0)
    assert np.array_equal(decode_resized(data, spec, MAX_PIXELS), np.asarray(expected))


def test_ten_bits_are_scaled_to_eight() -> None:
    ramp = np.repeat(np.linspace(0, 65_535, 64).astype(np.uint16)[None, :, None], 64, 0)
    ten_bits = pillow_heif.from_bytes("RGB;16", (64, 64), ramp.repeat(3, 2).tobytes())
    file = BytesIO()
    ten_bits.save(file, quality=100, chroma=444)
    decoded = decode_native(file.getvalue(), "RGB", MAX_PIXELS)
    assert np.abs(decoded.astype(int) - (ramp / 257).round()).max() <= 4


def test_alpha_lies_over_white() -> None:
    image = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 32, 64))
    decoded = decode_native(encoded(image, "HEIF", quality=95), "RGB", MAX_PIXELS)
    assert np.abs(decoded[:, :28].astype(int) - (0, 0, 255)).max() <= 8
    assert np.abs(decoded[:, 36:].astype(int) - 255).max() <= 8


def test_an_embedded_profile_is_converted_to_srgb() -> None:
    p3_red = Image.new("RGB", (64, 64), (234, 51, 35))
    data = encoded(p3_red, "HEIF", quality=95, chroma=444, icc_profile=matrix_profile(DISPLAY_P3))
    assert np.abs(decode_native(data, "RGB", MAX_PIXELS).astype(int) - (255, 0, 0)).max() <= 4


def test_pixels_are_limited_before_they_are_decoded() -> None:
    data = encoded(PHOTO, "HEIF")
    with pytest.raises(ContentTooLarge, match="HEIC image of 120 × 70 pixels"):
        decode_native(data, "RGB", 120 * 70 - 1)
    # A container that understates the size of its coded picture: 2048 × 2048 as 64 × 64.
    large = bytearray(encoded(Image.new("RGB", (2048, 2048)), "HEIF"))
    size = large.index(b"ispe") + 8
    large[size : size + 8] = (64).to_bytes(4, "big") * 2
    with pytest.raises(InvalidValue, match="damaged HEIC image"):
        decode_native(bytes(large), "RGB", MAX_PIXELS)


@pytest.mark.parametrize(
    ("brands", "is_avif", "is_heif"),
    [
        (b"heic\0\0\0\0mif1heic", False, True),
        (b"heix\0\0\0\0mif1", False, True),
        (b"mif1\0\0\0\0mif1heic", False, True),
        (b"msf1\0\0\0\0msf1hevc", False, True),
        (b"mif1\0\0\0\0mif1avif", True, True),
        (b"avif\0\0\0\0avifmif1", True, False),
        (b"avis\0\0\0\0msf1", True, False),
        (b"mp42\0\0\0\0isomavc1", False, False),
    ],
)
def test_brands_distinguish_heif_from_avif(brands: bytes, is_avif: bool, is_heif: bool) -> None:
    head = b"\0\0\0\x1cftyp" + brands
    assert bool(AVIF_SIGNATURE.match(head)) == is_avif
    assert bool(HEIF_SIGNATURE.match(head)) == is_heif


_WITHOUT_PILLOW_HEIF = """
import sys
sys.modules["pillow_heif"] = None
from service.codecs.formats import FORMATS
from service.codecs.images import decode_native
from service.errors import ServiceError
try:
    decode_native(sys.stdin.buffer.read(), "RGB", 10_000)
except ServiceError as error:
    print(error.status, error.detail, "HEIC" in [format_.name for format_ in FORMATS])
"""


def test_error_without_pillow_heif_names_the_package_to_install() -> None:
    command = [sys.executable, "-c", _WITHOUT_PILLOW_HEIF]
    done = subprocess.run(command, input=encoded(PHOTO, "HEIF"), capture_output=True, check=True)
    output = done.stdout.decode()
    assert output.startswith("415 ")
    assert "pip install 'deepshelf[heif]'" in output
    assert output.strip().endswith("False")
