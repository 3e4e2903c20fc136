import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional

from service.codecs.images import decode_native
from tests.models_store.images.files import build_tiff, gray_tiff
from tests.service.codecs.files import (
    DISPLAY_P3,
    FORMATS,
    MAX_PIXELS,
    encoded,
    matrix_profile,
    smooth,
    with_orientation,
)
from training.datasets.image_files import list_image_files
from training.datasets.image_io import read_downscaled_image, read_resized_image

_RED, _BLUE = (255, 0, 0), (0, 0, 255)


def _halves(width: int, height: int) -> Image.Image:
    """Return an image with a red left and a blue right half."""
    image = Image.new("RGB", (width, height), _RED)
    image.paste(_BLUE, (width // 2, 0, width, height))
    return image


def _color(pixels: torch.Tensor, y: int, x: int) -> tuple[int, ...]:
    return tuple(pixels[:, y, x].tolist())


def test_an_image_that_fits_comes_through_unchanged(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(256, size=(6, 9, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    pixels = read_resized_image(tmp_path / "a.png", (6, 9), "RGB")
    assert torch.equal(pixels, torch.from_numpy(noise).permute(2, 0, 1))
    assert pixels.is_contiguous()


@pytest.mark.parametrize("size", [(10, 30), (30, 10)])
def test_shorter_side_is_scaled_and_the_centre_cropped(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    noise = np.random.default_rng(0).integers(256, size=(*size, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    whole = torch.from_numpy(noise).permute(2, 0, 1)
    # The usual preprocessing of ImageNet networks; scaled to 5 × 15, the crop begins at 5.
    expected = functional.center_crop(functional.resize(whole, [5], antialias=True), [5, 5])
    pixels = read_resized_image(tmp_path / "a.png", (5, 5), "RGB")
    torch.testing.assert_close(pixels.int(), expected.int(), atol=1, rtol=0)


def test_a_wide_size_cuts_top_and_bottom(tmp_path: Path) -> None:
    rows = np.repeat(np.arange(0, 200, 10, dtype=np.uint8)[:, None], 20, axis=1)  # 20×20
    Image.fromarray(rows).save(tmp_path / "a.png")
    pixels = read_resized_image(tmp_path / "a.png", (10, 20), "L")
    assert pixels[0, :, 0].tolist() == list(range(50, 150, 10))


# EXIF orientation 6: the camera's left is the image's top; 3: upside down (Exif 2.3, table 6).
@pytest.mark.parametrize(
    ("orientation", "red", "blue"),
    [(1, (4, 1), (4, 6)), (3, (4, 6), (4, 1)), (6, (1, 4), (6, 4)), (8, (6, 4), (1, 4))],
)
def test_rotated_photographs_become_upright(
    tmp_path: Path, orientation: int, red: tuple[int, int], blue: tuple[int, int]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    _halves(8, 8).save(tmp_path / "a.png", exif=exif)
    pixels = read_resized_image(tmp_path / "a.png", (8, 8), "RGB")
    assert _color(pixels, *red) == _RED
    assert _color(pixels, *blue) == _BLUE


def test_transparency_becomes_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    image.putpixel((0, 0), (255, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 0, 128))
    image.save(tmp_path / "a.png")
    pixels = read_resized_image(tmp_path / "a.png", (4, 4), "RGB")
    assert _color(pixels, 3, 3) == (255, 255, 255)
    assert _color(pixels, 0, 0) == _RED
    assert _color(pixels, 0, 1) == (127, 127, 127)  # 255 × (1 - 128 / 255)


def test_grey_with_alpha_becomes_white_too(tmp_path: Path) -> None:
    Image.new("LA", (4, 4), (0, 0)).save(tmp_path / "a.png")
    assert set(read_resized_image(tmp_path / "a.png", (4, 4), "L").flatten().tolist()) == {255}


def test_a_transparent_palette_entry_becomes_white(tmp_path: Path) -> None:
    image = Image.new("P", (4, 4), 0)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.putpixel((0, 0), 1)
    image.save(tmp_path / "a.png", transparency=0)
    pixels = read_resized_image(tmp_path / "a.png", (4, 4), "RGB")
    assert _color(pixels, 0, 0) == _RED
    assert _color(pixels, 3, 3) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_sixteen_bits_of_grey_are_scaled_not_clipped(tmp_path: Path, mode: str) -> None:
    gray = np.array([[0, 257], [128 * 257, 65535]], dtype=np.uint16)
    Image.fromarray(gray).save(tmp_path / "a.png")
    pixels = read_resized_image(tmp_path / "a.png", (2, 2), "RGB" if mode == "RGB" else "L")
    assert pixels[0].tolist() == [[0, 1], [128, 255]]
    assert len(pixels) == (3 if mode == "RGB" else 1)


def test_a_cmyk_jpeg_is_read(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=95)
    red, green, blue = _color(read_resized_image(tmp_path / "a.jpg", (8, 8), "RGB"), 4, 4)
    assert red > 240
    assert max(green, blue) < 15


def test_large_jpeg_scaled_at_the_decoder_is_nearly_the_same(tmp_path: Path) -> None:
    y, x = np.mgrid[0:800, 0:1200]
    smooth = np.stack([x / 5, y / 4, (x + y) / 9], axis=2).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "a.jpg", quality=95)
    Image.fromarray(smooth).save(tmp_path / "a.png")
    jpeg, png = (
        read_resized_image(tmp_path / f"a.{kind}", (32, 32), "RGB") for kind in ("jpg", "png")
    )
    assert float((jpeg.float() - png.float()).abs().mean()) < 1.5


def _bomb() -> bytes:
    """Return a PNG of a few bytes that declares 30,000 × 30,000 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    length, checksum = struct.pack(">I", 13), struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + length + header + checksum


@pytest.mark.parametrize(
    "content",
    [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n\0\0", _bomb()],
    ids=["empty", "gif", "png", "bomb"],
)
def test_damaged_files_are_a_value_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"\w"):
        read_resized_image(tmp_path / "a.png", (4, 4), "RGB")


def _files() -> dict[str, bytes]:
    """Return one file for each rule of decoding."""
    ramp = np.arange(256, dtype=np.uint16).reshape(16, 16) * 257
    floats = Image.fromarray(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8))
    profile = matrix_profile(DISPLAY_P3)
    return {
        **{f"{kind}.{kind}": encoded(smooth(40, 30), kind) for kind in FORMATS},
        "profile.jpg": encoded(smooth(40, 30), "JPEG", icc_profile=profile),
        "turned.jfif": with_orientation(smooth(40, 30), "JPEG", 6),
        "turned.tif": with_orientation(smooth(40, 30), "TIFF", 6),
        "turned.heic": with_orientation(smooth(40, 30), "HEIF", 6),
        "cmyk.jpe": encoded(smooth(40, 30).convert("CMYK"), "JPEG"),
        "16 bits.png": encoded(Image.fromarray(ramp), "PNG"),
        "white is zero.tif": gray_tiff(ramp.tobytes(), 256, 16, photometric=0),
        "12 bits.tif": gray_tiff(bytes(range(96)), 64, 12),
        "floats.tif": encoded(floats, "TIFF"),
        "colour key.png": encoded(smooth(20, 20).quantize(8), "PNG", transparency=0),
        "alpha.webp": encoded(smooth(20, 20).convert("RGBA"), "WEBP", lossless=True),
    }


@pytest.mark.parametrize("name", _files())
def test_training_sees_the_pixels_that_the_service_sees(tmp_path: Path, name: str) -> None:
    data = _files()[name]
    (tmp_path / name).write_bytes(data)
    pixels_CHW = read_downscaled_image(tmp_path / name)
    assert np.array_equal(
        pixels_CHW.permute(1, 2, 0).numpy(), decode_native(data, "RGB", MAX_PIXELS)
    )


def test_a_raw_file_is_a_value_error_that_names_it(tmp_path: Path) -> None:
    raw = build_tiff({271: b"NIKON\0", 256: 8, 257: 8}, {262: 32803}, sub_ifds=1)
    (tmp_path / "a.tif").write_bytes(raw)
    with pytest.raises(ValueError, match=r"raw file \(NEF\)"):
        read_resized_image(tmp_path / "a.tif", (4, 4), "RGB")


def test_images_are_known_by_their_extension_in_any_case(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", ".c.png", "d.txt", "e", "f.HEIC", "g.jfif", "h.jpe", "i.hif"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    names = [path.name for path in list_image_files(tmp_path)]
    assert names == ["a.png", "b.JPG", "f.HEIC", "g.jfif", "h.jpe", "i.hif"]
