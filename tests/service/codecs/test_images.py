"""Decoding of valid images: modes, alpha, depth, orientation, size."""

from io import BytesIO
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_image

from models_store.tasks import ColorMode, FixedImage
from service.codecs.images import decode_native, decode_resized, encode_png
from tests.service.codecs.files import FORMATS, MAX_PIXELS, encoded, noise, smooth, with_orientation

PHOTO = Image.fromarray(load_sample_image("china.jpg"))
RULES: tuple[Literal["stretch", "crop", "pad"], ...] = ("stretch", "crop", "pad")
MODES: tuple[ColorMode, ...] = ("L", "RGB")


def spec(
    width: int,
    height: int,
    resize: Literal["stretch", "crop", "pad"] = "stretch",
    mode: ColorMode = "RGB",
) -> FixedImage:
    return FixedImage(width=width, height=height, mode=mode, resize=resize)


def worst(a: NDArray[np.uint8], b: NDArray[np.uint8] | Image.Image) -> int:
    other = np.asarray(b).reshape(a.shape)
    return int(np.abs(a.astype(int) - other.astype(int)).max())


def psnr_db(a: NDArray[np.uint8], b: NDArray[np.uint8] | Image.Image) -> float:
    other = np.asarray(b).reshape(a.shape)
    mse = float(((a.astype(float) - other.astype(float)) ** 2).mean())
    return 10 * float(np.log10(255**2 / max(mse, 1e-9)))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("file_format", FORMATS)
def test_every_format_decodes_as_pillow_decodes_it(file_format: str, mode: ColorMode) -> None:
    data = encoded(smooth(50, 30), file_format)
    image = decode_native(data, mode, MAX_PIXELS)
    assert image.shape == (30, 50, 1 if mode == "L" else 3)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    reference: Image.Image = Image.open(BytesIO(data))
    if reference.mode not in ("L", "RGB"):
        reference = reference.convert("RGB")
    assert worst(image, reference.convert(mode)) == 0
    assert psnr_db(image, smooth(50, 30).convert(mode)) > 25


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("received", "file_format"),
    [
        ("1", "PNG"),
        ("1", "TIFF"),
        ("L", "JPEG"),
        ("L", "PNG"),
        ("P", "PNG"),
        ("P", "GIF"),
        ("P", "BMP"),
        ("CMYK", "JPEG"),
        ("CMYK", "TIFF"),
        ("LAB", "TIFF"),
    ],
)
def test_every_mode_is_converted_to_the_requested_one(
    received: str, file_format: str, mode: ColorMode
) -> None:
    data = encoded(smooth(40, 24).convert(received), file_format)
    opened = Image.open(BytesIO(data))
    reference = opened.convert("RGB") if opened.mode != "L" else opened
    assert worst(decode_native(data, mode, MAX_PIXELS), reference.convert(mode)) == 0


def test_alpha_lies_over_white_exactly() -> None:
    color_HWC = noise(16, 16, 3)
    alpha_HW1 = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    rgba = Image.fromarray(np.concatenate([color_HWC, alpha_HW1], axis=2))
    wide = color_HWC.astype(int) * alpha_HW1 + 255 * (255 - alpha_HW1.astype(int))
    expected = np.rint(wide / 255)
    assert np.array_equal(decode_native(encoded(rgba, "PNG"), "RGB", MAX_PIXELS), expected)
    gray = Image.fromarray(np.concatenate([color_HWC[..., :1], alpha_HW1], axis=2))
    assert np.array_equal(decode_native(encoded(gray, "PNG"), "L", MAX_PIXELS), expected[..., :1])


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF", "AVIF", "GIF"])
def test_transparent_pixels_become_white(file_format: str) -> None:
    image = Image.new("RGBA", (32, 32), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 16, 32))
    decoded = decode_native(encoded(image, file_format), "RGB", MAX_PIXELS)
    # Lossy formats stray by a few steps beside the edge.
    assert worst(decoded[:, :14], np.full((32, 14, 3), (0, 0, 255), np.uint8)) <= 6
    assert worst(decoded[:, 18:], np.full((32, 14, 3), 255, np.uint8)) <= 6


def test_transparent_palette_entries_and_colour_keys_are_white() -> None:
    palette = smooth(20, 20).quantize(8)
    opaque = decode_native(encoded(palette, "PNG"), "RGB", MAX_PIXELS)
    hidden_HW = np.asarray(palette) < 3
    for transparency in (bytes([0, 0, 0]), 0):
        data = encoded(palette, "PNG", transparency=transparency)
        expected = opaque.copy()
        expected[hidden_HW if isinstance(transparency, bytes) else np.asarray(palette) == 0] = 255
        assert worst(decode_native(data, "RGB", MAX_PIXELS), expected) == 0
    gray = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    keyed = decode_native(encoded(gray, "PNG", transparency=7), "L", MAX_PIXELS).ravel()
    assert keyed[7] == 255
    assert keyed[8] == 8


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    ramp = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    expected = np.rint(ramp / 257)[..., None]
    image = Image.fromarray(ramp)
    for file_format in ("PNG", "TIFF"):
        assert np.array_equal(decode_native(encoded(image, file_format), "L", MAX_PIXELS), expected)
    keyed = decode_native(encoded(image, "PNG", transparency=1000), "RGB", MAX_PIXELS)
    assert keyed.reshape(-1, 3)[1000].tolist() == [255, 255, 255]
    assert keyed.reshape(-1, 3)[1001].tolist() == [4, 4, 4]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 0.5, 1.0, -1.0]], np.float32), [0, 128, 255, 0]),
        (np.array([[0, 0.5, 200.0, np.nan]], np.float32), [0, 0, 200, 0]),
        (np.array([[0, 257, 65_535, -3]], np.float32), [0, 1, 255, 0]),
        (np.array([[0, 1, 200, -5]], np.int32), [0, 1, 200, 0]),
        (np.array([[0, 257, 65_535, 2]], np.int32), [0, 1, 255, 0]),
        (np.array([[0, 502_000, 1_000_000, 1]], np.int32), [0, 128, 255, 0]),
    ],
)
def test_grey_of_32_bits_gets_the_smallest_white_that_holds_it(
    values: NDArray[np.float32], expected: list[int]
) -> None:
    data = encoded(Image.fromarray(values), "TIFF")
    assert decode_native(data, "L", MAX_PIXELS).ravel().tolist() == expected


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_orientation_is_as_imageops_turns_it(file_format: str, orientation: int) -> None:
    data = with_orientation(smooth(60, 34), file_format, orientation)
    reference = ImageOps.exif_transpose(Image.open(BytesIO(data)))
    assert worst(decode_native(data, "RGB", MAX_PIXELS), reference) == 0
    size = reference.size
    assert worst(decode_resized(data, spec(*size), MAX_PIXELS), reference) == 0


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", MODES)
def test_a_photograph_reduced_in_the_decoder_is_close_to_a_full_decode(
    rule: Literal["stretch", "crop", "pad"], orientation: int, mode: ColorMode
) -> None:
    data = with_orientation(PHOTO, "JPEG", orientation)
    upright = ImageOps.exif_transpose(Image.open(BytesIO(data))).convert(mode)
    fits = {
        "stretch": lambda: upright.resize((40, 32), Image.Resampling.BICUBIC),
        "crop": lambda: ImageOps.fit(upright, (40, 32), Image.Resampling.BICUBIC),
        "pad": lambda: ImageOps.pad(upright, (40, 32), Image.Resampling.BICUBIC),
    }
    image = decode_resized(data, spec(40, 32, rule, mode), MAX_PIXELS)
    assert image.shape == (32, 40, 1 if mode == "L" else 3)
    assert psnr_db(image, fits[rule]()) > 36


@pytest.mark.parametrize("target", [(120, 80), (PHOTO.width * 2 // 3, PHOTO.height * 2 // 3)])
def test_the_decoder_scales_only_while_enough_is_left(target: tuple[int, int]) -> None:
    """Return three times a small target, and at least a large one."""
    data = encoded(PHOTO, "JPEG", quality=95)
    plain = Image.open(BytesIO(data)).resize(target, Image.Resampling.BICUBIC)
    assert worst(decode_resized(data, spec(*target), MAX_PIXELS), plain) == 0


def test_a_large_target_is_near_a_full_decode() -> None:
    data = encoded(PHOTO, "JPEG", quality=95)
    target = (PHOTO.width * 4 // 9, PHOTO.height * 4 // 9)
    plain = Image.open(BytesIO(data)).resize(target, Image.Resampling.BICUBIC)
    assert psnr_db(decode_resized(data, spec(*target), MAX_PIXELS), plain) > 28


@pytest.mark.parametrize("rule", RULES)
def test_image_of_the_right_size_is_unchanged(
    rule: Literal["stretch", "crop", "pad"],
) -> None:
    pixels = noise(32, 32, 3)
    assert np.array_equal(
        decode_resized(encode_png(pixels), spec(32, 32, rule), MAX_PIXELS), pixels
    )
    data = encoded(Image.fromarray(pixels), "JPEG")
    plain = np.asarray(Image.open(BytesIO(data)))
    assert np.array_equal(decode_resized(data, spec(32, 32, rule), MAX_PIXELS), plain)


def test_crop_without_scaling_is_a_slice_and_pad_without_scaling_is_a_frame() -> None:
    pixels = noise(32, 41, 3)
    cropped = decode_resized(encode_png(pixels), spec(32, 32, "crop"), MAX_PIXELS)
    assert np.array_equal(cropped, pixels[:, 4:36])
    padded = decode_resized(encode_png(pixels), spec(41, 40, "pad"), MAX_PIXELS)
    assert np.array_equal(padded[4:36], pixels)
    assert not padded[:4].any()
    assert not padded[36:].any()


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (3, 200), (257, 129), (31, 33)])
@pytest.mark.parametrize("rule", RULES)
def test_any_proportion_gets_the_size_of_the_spec(
    rule: Literal["stretch", "crop", "pad"], size: tuple[int, int]
) -> None:
    for file_format in ("PNG", "JPEG"):
        data = encoded(Image.new("RGB", size, (200, 200, 200)), file_format)
        image = decode_resized(data, spec(32, 24, rule), MAX_PIXELS)
        assert image.shape == (24, 32, 3)
        assert int(image[12, 16, 0]) == 200
        if rule != "pad":
            assert (image == 200).all()


def test_a_large_png_reduced_in_steps_is_close_to_one_antialiased_resize() -> None:
    large = PHOTO.resize((1280, 854), Image.Resampling.BICUBIC)
    image = decode_resized(encoded(large, "PNG", compress_level=1), spec(32, 32), MAX_PIXELS)
    assert psnr_db(image, large.resize((32, 32), Image.Resampling.BICUBIC)) > 45


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP", "TIFF", "AVIF"])
def test_the_first_of_several_frames_is_taken(file_format: str) -> None:
    frames = [Image.new("RGB", (20, 12), color) for color in ("red", "lime", "blue")]
    data = encoded(frames[0], file_format, save_all=True, append_images=frames[1:])
    red = np.full((12, 20, 3), (255, 0, 0), np.uint8)
    assert worst(decode_native(data, "RGB", MAX_PIXELS), red) <= 3


@pytest.mark.parametrize("channels", [1, 3])
def test_png_is_lossless_and_the_same_each_time(channels: int) -> None:
    pixels = noise(17, 23, channels)
    data = encode_png(pixels)
    assert data == encode_png(np.asfortranarray(pixels))
    assert np.array_equal(decode_native(data, "L" if channels == 1 else "RGB", MAX_PIXELS), pixels)
    with pytest.raises(ValueError, match="uint8"):
        encode_png(pixels[..., 0])
