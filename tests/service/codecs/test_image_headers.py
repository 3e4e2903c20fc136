import io

import pytest
from PIL import Image

from service.codecs.image_headers import peek_size


def _file(kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (37, 21)).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        _file("PNG"),
        _file("JPEG"),
        _file("JPEG", progressive=True),
        _file("JPEG", exif=b"Exif\0\0" + bytes(900), comment="x" * 300),
    ],
)
def test_a_png_or_jpeg_tells_its_size(data: bytes) -> None:
    assert peek_size(data) == (37, 21)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8\xff",
        _file("GIF"),
        _file("JPEG")[:100],
        b"\xff\xd8" + b"\xff\xe0\x00\x02" * 100,  # a reader may take its time with these
        b"\xff\xd8\xff\xe0\x00\x00\x00\x00",
    ],
)
def test_what_does_not_is_left_to_a_reader(data: bytes) -> None:
    assert peek_size(data) is None
