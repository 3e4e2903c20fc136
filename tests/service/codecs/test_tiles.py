"""Tiles stitch to what one run over the whole image gives."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models_store.tasks import AnySizeImage, ColorMode
from service.codecs.tiles import count_tile_pixels, run_tiled
from tests.service.codecs.files import noise

Run = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


def free(multiple_of: int, tile: int, overlap: int, mode: ColorMode = "RGB") -> AnySizeImage:
    return AnySizeImage(mode=mode, multiple_of=multiple_of, tile=tile, overlap=overlap)


def convolution(kernel_kk: NDArray[np.int64], shift: int) -> Run:
    """Whole numbers, so that equal means equal; zeros around the image, as networks pad."""
    reach = len(kernel_kk) // 2

    def run(image_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width, _ = image_HWC.shape
        padded = np.pad(image_HWC.astype(np.int64), ((reach, reach), (reach, reach), (0, 0)))
        total = np.zeros(image_HWC.shape, np.int64)
        for (row, column), weight in np.ndenumerate(kernel_kk):
            total += weight * padded[row : row + height, column : column + width]
        return (total >> shift & 255).astype(np.uint8)

    return run


def box_blur(reach: int) -> Run:
    return convolution(np.ones((2 * reach + 1, 2 * reach + 1), np.int64), 4)


def random_convolution(reach: int) -> Run:
    side = 2 * reach + 1
    return convolution(np.random.default_rng(3).integers(-9, 10, (side, side)), 2)


def strided(image_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Replace every block of 4 × 4 by its first pixel: right only if tiles keep the grid."""
    return image_HWC[::4, ::4].repeat(4, axis=0).repeat(4, axis=1)


def whole(
    image_HWC: NDArray[np.uint8], spec: AnySizeImage, run: Run, margin: int = 0
) -> NDArray[np.uint8]:
    height, width, _ = image_HWC.shape
    below, beside = (-(side + 2 * margin) % spec.multiple_of for side in (height, width))
    padding = (margin, margin + below), (margin, margin + beside), (0, 0)
    padded = np.pad(image_HWC, padding, mode="reflect")
    return run(padded)[margin : margin + height, margin : margin + width]


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (64, 64), (65, 97), (33, 31)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("margin", [0, 3, 20])
@pytest.mark.parametrize(
    ("spec", "run"),
    [
        (free(1, 16, 6), box_blur(3)),
        (free(1, 17, 5), random_convolution(2)),
        (free(4, 16, 8), random_convolution(4)),
        (free(8, 32, 8), box_blur(4)),
        (free(4, 12, 4), strided),
        (free(4, 8, 4), box_blur(2)),
    ],
)
def test_tiles_equal_one_whole_run(
    spec: AnySizeImage, run: Run, margin: int, channels: int, size: tuple[int, int]
) -> None:
    image = noise(*size, channels)
    result = run_tiled(image, spec, run, margin)
    assert np.array_equal(result, whole(image, spec, run, margin))
    assert result.flags.c_contiguous


@settings(max_examples=60)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    multiple_of=st.integers(1, 9),
    overlaps=st.integers(1, 3),
    more=st.integers(1, 4),
    margin=st.integers(0, 12),
)
def test_any_size_with_any_tiling_equals_one_whole_run(
    height: int, width: int, multiple_of: int, overlaps: int, more: int, margin: int
) -> None:
    overlap = multiple_of * overlaps
    spec = free(multiple_of, overlap + multiple_of * more, overlap)
    image = noise(height, width, 1, seed=height)
    run = random_convolution(min(overlap // 2, 4))
    assert np.array_equal(run_tiled(image, spec, run, margin), whole(image, spec, run, margin))


@settings(max_examples=60)
@given(
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    multiple_of=st.integers(1, 9),
    overlaps=st.integers(1, 3),
    margin=st.integers(0, 12),
)
def test_pixels_of_tiles_are_those_that_run(
    size: tuple[int, int], multiple_of: int, overlaps: int, margin: int
) -> None:
    spec = free(multiple_of, multiple_of * (overlaps + 2), multiple_of * overlaps)
    ran = 0

    def run(tile_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
        nonlocal ran
        ran += tile_HWC.shape[0] * tile_HWC.shape[1]
        return tile_HWC

    run_tiled(noise(*size, 1), spec, run, margin)
    assert count_tile_pixels(size, spec, margin) == ran


@pytest.mark.parametrize("side", [1, 2, 3, 5, 15, 16, 17, 31, 47, 64])
@pytest.mark.parametrize("other", [1, 16, 37])
@pytest.mark.parametrize("color", [(255, 0, 0), (0, 0, 255), (255, 255, 255), (10, 128, 200)])
def test_with_a_margin_a_flat_image_has_no_edge(
    side: int, other: int, color: tuple[int, int, int]
) -> None:
    image = np.full((side, other, 3), color, np.uint8)
    # Divides by 16 where a full window of 5 × 5 has 25: the value inside, and less at the edges.
    inside = np.broadcast_to((np.array(color) * 25 >> 4 & 255).astype(np.uint8), image.shape)
    for shape in (image, image.swapaxes(0, 1)):
        result = run_tiled(shape, free(4, 16, 4), box_blur(2), margin=2)
        assert np.array_equal(result, inside.reshape(shape.shape))
    assert not np.array_equal(run_tiled(image, free(4, 16, 4), box_blur(2)), inside)


def test_too_little_overlap_is_visible() -> None:
    image = noise(64, 64, 1)
    spec = free(1, 16, 4)
    assert not np.array_equal(run_tiled(image, spec, box_blur(3)), whole(image, spec, box_blur(3)))


def test_the_graph_sees_small_tiles_of_one_shape() -> None:
    shapes = []

    def run(tile_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
        assert tile_HWC.flags.c_contiguous
        shapes.append(tile_HWC.shape)
        return tile_HWC

    image = noise(101, 75, 3)
    assert np.array_equal(run_tiled(image, free(4, 32, 8), run), image)
    assert set(shapes) == {(32, 32, 3)}
    assert len(shapes) == 4 * 3  # steps of 24: 104 = 32 + 3 × 24, 76 = 32 + 24 + 20
    shapes.clear()
    run_tiled(image[:31, :30], free(4, 32, 8), run)
    assert shapes == [(32, 32, 3)]


def test_wrong_output_shape_and_empty_image_are_rejected() -> None:
    with pytest.raises(ValueError, match="came back"):
        run_tiled(noise(8, 8, 3), free(1, 8, 2), lambda tile_HWC: tile_HWC[:4])
    with pytest.raises(ValueError, match="without pixels"):
        run_tiled(noise(0, 8, 3), free(1, 8, 2), lambda tile_HWC: tile_HWC)
