"""Bad images raise a ServiceError that names the problem before memory is allocated."""

import struct
import tracemalloc
import warnings
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from models_store.images.orientation import find_orientation
from models_store.tasks import FixedImage
from service.codecs.images import decode_native, decode_resized
from service.errors import ContentTooLarge, InvalidValue, UnsupportedMediaType
from service.settings import Settings
from tests.service.codecs.files import (
    FORMATS,
    MAX_PIXELS,
    encoded,
    noise,
    png,
    png_chunk,
    smooth,
    with_orientation,
)

SPEC = FixedImage(width=8, height=8, mode="RGB", resize="crop")
ACCEPTED = "accepted: JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, HEIC"
WHOLE = [encoded(smooth(40, 30), file_format) for file_format in FORMATS] + [
    encoded(smooth(40, 30), "JPEG", progressive=True),
    encoded(smooth(40, 30).quantize(16), "PNG", transparency=0),
    encoded(smooth(40, 30), "TIFF", compression="tiff_lzw"),
    encoded(smooth(40, 30), "TIFF", compression="jpeg"),
    encoded(smooth(40, 30), "WEBP", lossless=True),
    with_orientation(smooth(40, 30), "JPEG", 6),
    with_orientation(smooth(40, 30), "TIFF", 6),
]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"%PDF-1.7 ...", "PDF"),
        (b"\n<!DOCTYPE html><html>", "HTML"),
        (b'<?xml version="1.0"?><svg/>', "SVG"),
        (b'{"image": "cat"}', "JSON"),
        ("grüße, truck".encode(), "text"),
        (b"PK\x03\x04abc", "ZIP"),
        (b"\0\0\0\x18ftypmp42\0\0", "video"),
        (b"RIFF\0\0\0\0WAVE", "unknown"),
        (b"P6 1 1 255 abc", "Netpbm"),
        (b"\0\0\1\0\1\0" + bytes(20), "icon"),
        (encoded(smooth(10, 10), "TGA"), "unknown"),
        (encoded(smooth(10, 10), "TIFF", big_tiff=True), "BigTIFF"),
        (bytes(range(1, 200)), "unknown"),
    ],
)
def test_file_that_is_no_image_is_unsupported_and_named(data: bytes, kind: str) -> None:
    with pytest.raises(UnsupportedMediaType) as caught:
        decode_native(data, "RGB", MAX_PIXELS)
    assert f"received: {kind}, {len(data)} bytes" in caught.value.detail
    assert ACCEPTED in caught.value.detail


def test_an_empty_body_is_invalid() -> None:
    with pytest.raises(InvalidValue, match="empty body"):
        decode_resized(b"", SPEC, MAX_PIXELS)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.filterwarnings("ignore:Truncated File Read:UserWarning")
def test_truncated_image_is_invalid_and_names_its_format(file_format: str, share: float) -> None:
    data = encoded(Image.fromarray(noise(40, 40, 3)), file_format)
    with pytest.raises(InvalidValue) as caught:
        decode_native(data[: int(len(data) * share)], "RGB", MAX_PIXELS)
    name = "HEIC" if file_format == "HEIF" else file_format
    assert name.lower() in caught.value.detail.lower()
    assert "0x" not in caught.value.detail


def _gif_with_huge_frame(before: bytes = b"") -> bytes:
    data = bytearray(encoded(smooth(10, 10), "GIF"))
    flags = data[10]
    at = data.index(b",", 13 + (3 << (flags & 7) + 1 if flags & 128 else 0))
    data[at + 5 : at + 9] = b"\xff\xff\xff\xff"
    data[at:at] = before
    return bytes(data)


def _resized_header(file_format: str, at: int, layout: str, size: int = 20_000) -> bytes:
    data = bytearray(encoded(Image.new("RGB", (16, 16)), file_format))
    struct.pack_into(layout, data, at, size, size)
    return bytes(data)


def _tiff_of(width: int, height: int, **tags: int) -> bytes:
    fields = {256: width, 257: height, 258: 8, 259: 8, 262: 1, 277: 1} | {
        int(tag[1:]): value for tag, value in tags.items()
    }
    body = b"".join(struct.pack("<2H2I", tag, 4, 1, fields[tag]) for tag in sorted(fields))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(fields)) + body + bytes(8)


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (png(20_000, 20_000, png_chunk(b"IDAT", b"")), "20000 × 20000"),
        (png(2**31 - 1, 2**31 - 1), "2147483647 × 2147483647"),
        (_resized_header("GIF", 6, "<2H"), "20000 × 20000"),
        (_gif_with_huge_frame(), "65535 × 65535"),
        (_gif_with_huge_frame(b"!\xfe\x03cat\0?"), "65535 × 65535"),
        (_resized_header("BMP", 18, "<2i"), "20000 × 20000"),
        (b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xfe\x3f\0" * 2 + bytes(8), "16383 ×"),
        (_tiff_of(20_000, 20_000), "20000 × 20000"),
        (_tiff_of(16, 16, t322=65_536, t323=32_768, t324=8, t325=8), "65536 × 32768"),
        (png(70_000, 1), "65535 pixels a side"),
    ],
)
def test_huge_image_is_rejected_without_decoding(data: bytes, size: str) -> None:
    tracemalloc.start()
    with pytest.raises(ContentTooLarge) as caught:
        decode_native(data, "RGB", MAX_PIXELS)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size in caught.value.detail
    assert "limit" in caught.value.detail
    assert peak_bytes < 1_000_000


def test_the_limit_itself_is_allowed_and_pillows_own_is_never_reached() -> None:
    data = encoded(Image.new("L", (30, 20)), "PNG")
    assert decode_native(data, "L", 600).shape == (20, 30, 1)
    with pytest.raises(ContentTooLarge, match="30 × 20 pixels is over the limit of 599"):
        decode_native(data, "L", 599)
    assert (Image.MAX_IMAGE_PIXELS or 0) == 89_478_485
    with pytest.raises(ValueError, match="max_pixels"):
        Settings(max_pixels=89_478_486)


def test_no_global_state_of_pillow_changes() -> None:
    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, warnings.filters)
    decode_native(WHOLE[0], "RGB", MAX_PIXELS)
    after = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, warnings.filters)
    assert after == before


@pytest.mark.parametrize("chunk", ["zTXt", "iCCP", "iTXt"])
def test_a_bomb_in_the_metadata_of_a_png_is_harmless(chunk: str) -> None:
    packed = zlib.compress(bytes(30_000_000), 9)
    body = b"key\0\1\0\0\0" + packed if chunk == "iTXt" else b"key\0\0" + packed
    pixels = png_chunk(b"IDAT", zlib.compress(bytes(5 * 4))) + png_chunk(b"IEND", b"")
    data = png(4, 4, png_chunk(chunk.encode(), body), pixels)
    tracemalloc.start()
    with_error = None
    try:
        assert decode_native(data, "L", MAX_PIXELS).shape == (4, 4, 1)
    except InvalidValue as error:
        with_error = error.detail
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert with_error is None or "PNG" in with_error
    assert peak_bytes < 5_000_000


def test_jpeg_with_a_thousand_scans_is_rejected() -> None:
    data = encoded(smooth(64, 64), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    bomb = data[:last] + data[last:-2] * 1000 + b"\xff\xd9"
    with pytest.raises(InvalidValue, match="scans"):
        decode_native(bomb, "RGB", MAX_PIXELS)


def test_bytes_behind_a_jpeg_are_no_scans() -> None:
    data = encoded(smooth(64, 64), "JPEG") + b"\xff\xda" * 1000
    assert decode_native(data, "RGB", MAX_PIXELS).shape == (64, 64, 3)


def test_run_length_coded_bmp_is_rejected() -> None:
    data = bytearray(encoded(smooth(16, 16).quantize(16), "BMP"))
    struct.pack_into("<I", data, 30, 1)
    with pytest.raises(UnsupportedMediaType, match="run-length"):
        decode_native(bytes(data), "RGB", MAX_PIXELS)


@pytest.mark.parametrize("data", [png(0, 10), png(10, 0), _tiff_of(0, 5)])
def test_image_without_pixels_is_invalid(data: bytes) -> None:
    with pytest.raises(InvalidValue):
        decode_native(data, "RGB", MAX_PIXELS)


def decode_or_reject(data: bytes) -> None:
    """Decode twice; only errors for clients may be raised."""
    with suppress(ContentTooLarge, UnsupportedMediaType, InvalidValue):
        assert decode_native(data, "L", MAX_PIXELS).ndim == 3
    with suppress(ContentTooLarge, UnsupportedMediaType, InvalidValue):
        assert decode_resized(data, SPEC, MAX_PIXELS).shape == (8, 8, 3)


@settings(max_examples=150)
@given(
    head=st.sampled_from([b"", *(data[:24] for data in WHOLE)]),
    tail=st.binary(max_size=200),
)
def test_random_bytes_give_an_array_or_a_service_error(head: bytes, tail: bytes) -> None:
    decode_or_reject(head + tail)


@settings(max_examples=300)
@given(
    data=st.sampled_from(WHOLE),
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=4)),
        min_size=1,
        max_size=6,
    ),
    in_header=st.booleans(),
    keep=st.floats(0.3, 1),
)
def test_mutated_images_give_an_array_or_a_service_error(
    data: bytes, changes: list[tuple[float, bytes]], in_header: bool, keep: float
) -> None:
    mutated = bytearray(data)
    for share, patch in changes:
        at = int(share * (min(200, len(data)) if in_header else len(data)))
        mutated[at : at + len(patch)] = patch
    decode_or_reject(bytes(mutated[: int(len(mutated) * max(keep, 0.3)) if keep < 0.6 else None]))


@settings(max_examples=200)
@given(tail=st.binary(max_size=60), order=st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"]))
def test_any_exif_block_has_an_orientation(tail: bytes, order: bytes) -> None:
    assert 1 <= find_orientation({"exif": order + tail}) <= 8
    assert 1 <= find_orientation({"exif": tail}) <= 8


def test_damaged_exif_leaves_the_image_unchanged() -> None:
    image = smooth(24, 16)
    data = encoded(image, "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert np.array_equal(decode_native(data, "RGB", MAX_PIXELS), np.asarray(image))
