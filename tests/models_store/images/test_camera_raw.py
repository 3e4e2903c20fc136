"""Raw files are recognised by their signature, DNGVersion, or a mosaic in one of their images."""

import io

import numpy as np
import pytest
from PIL import Image

from models_store.images.camera_raw import find_camera_raw
from service.codecs.images import decode_native
from service.errors import UnsupportedMediaType
from tests.models_store.images.files import Ifd, build_tiff
from tests.service.codecs.files import MAX_PIXELS, encoded, smooth

_THUMBNAIL: Ifd = {254: 1, 256: 4, 257: 2, 258: 8, 259: 1, 262: 1, 277: 1, 278: 2}
_MOSAIC: Ifd = {256: 4000, 257: 3000, 258: 14, 262: 32803, 277: 1}
_PIXELS = bytes(8)
_MAKES = {
    b"NIKON CORPORATION\0": "NEF", b"SONY\0": "ARW", b"PENTAX Corporation\0": "PEF",
    b"SAMSUNG\0": "SRW", b"Hasselblad\0": "3FR", b"EASTMAN KODAK COMPANY\0": "DCR",
    b"SEIKO EPSON CORP.\0": "ERF", b"Mamiya-OP Co.,Ltd.\0": "MEF", b"Unheard of\0": "raw",
}  # fmt: skip


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("make", "name"), _MAKES.items())
@pytest.mark.parametrize("sub_ifds", [0, 1, 2])
def test_tiff_with_a_raw_mosaic_is_named_by_its_maker(
    make: bytes, name: str, order: str, sub_ifds: int
) -> None:
    ifds: list[Ifd] = [{**_THUMBNAIL, 271: make}, {**_THUMBNAIL}, _MOSAIC]
    data = build_tiff(*ifds, pixels=_PIXELS, order=order, sub_ifds=sub_ifds)
    assert find_camera_raw(data) == name
    with pytest.raises(UnsupportedMediaType, match=rf"raw file \({name}\).*export it as JPEG"):
        decode_native(data, "L", MAX_PIXELS)


def test_dng_without_a_mosaic_is_named() -> None:
    linear = build_tiff({**_THUMBNAIL, 50706: 0x401}, pixels=_PIXELS)
    assert find_camera_raw(linear) == "DNG"


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"II*\0\x10\0\0\0CR\2\0", "CR2"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "CR3"),
        (b"II\x1a\0\0\0\0\0HEAPCCDR", "CRW"),
        (b"FUJIFILMCCD-RAW 0201", "RAF"),
        (b"IIRO\x08\0\0\0", "ORF"),
        (b"IIRS\x08\0\0\0", "ORF"),
        (b"MMOR\0\0\0\x08", "ORF"),
        (b"IIU\0\x18\0\0\0", "RW2"),
        (b"FOVb\0\0\2\0", "X3F"),
        (b"\0MRM\0\0\0\0", "MRW"),
        (b"II*\0\x20\0\0\0IIIITwaR", "IIQ"),
    ],
)
def test_other_raw_files_are_named_by_their_signature(head: bytes, name: str) -> None:
    assert find_camera_raw(head + bytes(100)) == name


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16", "CMYK", "1"])
def test_developed_tiffs_are_images(mode: str) -> None:
    gray = smooth(20, 10).convert("L")
    image = Image.fromarray(np.asarray(gray).astype(np.uint16)) if mode == "I;16" else (
        gray.convert(mode)
    )  # fmt: skip
    file = io.BytesIO()
    image.save(file, "TIFF", save_all=True, append_images=[image], tiffinfo={271: "NIKON"})
    assert find_camera_raw(file.getvalue()) is None


def test_other_formats_and_damaged_directories_are_no_raw_files() -> None:
    assert find_camera_raw(encoded(smooth(8, 8), "JPEG")) is None
    whole = build_tiff(_THUMBNAIL, _MOSAIC, pixels=_PIXELS, sub_ifds=1)
    for length in range(len(whole)):
        assert find_camera_raw(whole[:length]) in (None, "raw")
    loop = bytearray(build_tiff(_THUMBNAIL))
    loop[-4:] = loop[4:8]  # the next directory is the first
    assert find_camera_raw(bytes(loop)) is None
