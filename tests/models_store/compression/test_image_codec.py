import base64
import hashlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models_store.compression.hyperprior import HyperpriorCoder, ScaleTables
from models_store.compression.image_codec import HyperpriorImageCodec
from models_store.tasks import AnySizeImage
from models_store.verify import TensorMap
from tests.fakes.hyperprior_codec import TASK, create_codec, scale_tables

GOLDEN = "bce4d2ea140b822c"
OLDER_PAYLOAD = "AgAAoWEFAgC9hnuv113ibC1+C6NusN5Od1ByWYxeuXTmRsujPrkUnHCKHbTuXPynZ2EZaw=="
"""In the layout of codes that were written before lanes could double."""


@pytest.fixture(scope="module")
def mosaic(tmp_path_factory: pytest.TempPathFactory) -> HyperpriorImageCodec:
    return create_codec(tmp_path_factory.mktemp("mosaic"))


def _image(height: int, width: int) -> NDArray[np.uint8]:
    """Return a smooth image with some noise."""
    y, x = np.mgrid[:height, :width]
    wave = 128 + 100 * np.sin(y[..., None] / 19 + x[..., None] / 23 + np.arange(3))
    noise = np.random.default_rng(0).normal(0, 9, (height, width, 3))
    image: NDArray[np.uint8] = (wave + noise).clip(0, 255).astype(np.uint8)
    return image


@settings(max_examples=25)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 3))
def test_decoded_image_of_any_size_is_the_encoders_reconstruction(
    mosaic: HyperpriorImageCodec, height: int, width: int, quality: int
) -> None:
    image = _image(height, width)
    coded = mosaic.encode(image, quality)
    restored, read = mosaic.decode(coded.payload, height, width)
    assert read == quality
    assert restored.shape == image.shape
    assert np.array_equal(restored, mosaic.reconstruct(coded.latents, quality, height, width))


def test_tiles_leave_no_seam(mosaic: HyperpriorImageCodec) -> None:
    image = _image(301, 410)
    whole = AnySizeImage(mode="RGB", multiple_of=32, tile=1024, overlap=128)
    at_once = replace(mosaic, task=TASK.model_copy(update={"image": whole}))
    one, other = mosaic.encode(image, 3), at_once.encode(image, 3)
    assert one.payload == other.payload
    assert np.array_equal(
        mosaic.reconstruct(one.latents, 3, 301, 410), at_once.reconstruct(one.latents, 3, 301, 410)
    )


def test_better_qualities_come_nearer_and_take_more(mosaic: HyperpriorImageCodec) -> None:
    image = _image(64, 96)
    sizes, errors = [], []
    for quality in (1, 2, 3):
        payload = mosaic.encode(image, quality).payload
        restored, _ = mosaic.decode(payload, 64, 96)
        sizes.append(len(payload))
        errors.append(np.square(restored.astype(float) - image).mean())
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)


def test_payload_is_the_same_on_every_machine(mosaic: HyperpriorImageCodec) -> None:
    """Made once on x86 with AVX2: no float may change a bit of it."""
    latents = np.random.default_rng(5).integers(-150, 151, (6, 9, 14)).astype(np.int16)
    side = np.random.default_rng(6).integers(-5, 6, (3, 3, 4)).astype(np.int16)
    coded = mosaic.coder.encode(latents, side, 1)
    assert hashlib.sha256(coded.payload).hexdigest()[:16] == GOLDEN
    assert np.array_equal(mosaic.coder.decode(coded.payload, 9, 14)[0], coded.latents)


def test_older_payload_still_decodes(mosaic: HyperpriorImageCodec) -> None:
    latents = np.random.default_rng(5).integers(-150, 151, (6, 3, 4)).astype(np.int16)
    side = np.random.default_rng(6).integers(-5, 6, (3, 1, 1)).astype(np.int16)
    expected = mosaic.coder.encode(latents, side, 1).latents
    decoded, quality = mosaic.coder.decode(base64.b64decode(OLDER_PAYLOAD), 3, 4)
    assert quality == 1
    assert np.array_equal(decoded, expected)


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.sampled_from([0.3, 20, 3000]), st.integers(0, 15))
def test_any_latents_can_be_written_and_never_by_more_than_a_step(
    mosaic: HyperpriorImageCodec, seed: int, spread: float, deadzone: int
) -> None:
    random = np.random.default_rng(seed)
    latents = random.normal(0, spread * 32, (6, 5, 6)).clip(-32_000, 32_000).astype(np.int16)
    side = random.integers(-200, 200, (3, 2, 2)).astype(np.int16)
    tables = scale_tables().model_copy(update={"deadzone": deadzone, "certain": 0})
    coder = HyperpriorCoder(mosaic.coder.spec, tables, mosaic.graphs)
    coded = coder.encode(latents, side, 2)
    decoded, quality = coder.decode(coded.payload, 5, 6)
    assert quality == 2
    assert np.array_equal(decoded, coded.latents)
    apart = np.abs(decoded.astype(int) * 2 - latents)
    assert apart[np.abs(latents) < 30_000].max() <= 16 + deadzone


def test_an_exact_graph_that_is_computed_otherwise_is_another_code(
    mosaic: HyperpriorImageCodec,
) -> None:
    """A mean that is off by one changes everything decoded after it."""

    def off(inputs: TensorMap) -> TensorMap:
        out = dict(mosaic.graphs["low"](inputs))
        return {**out, "levels": np.asarray(out["levels"] + 1).astype(np.uint8)}

    image = _image(64, 64)
    payload = mosaic.encode(image, 2).payload
    other = replace(mosaic, graphs={**mosaic.graphs, "low": off})
    with pytest.raises(ValueError, match=r"."):
        other.decode(payload, 64, 64)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda _: b"", "quality 0 of 3"),
        (lambda payload: b"\x04" + payload[1:], "quality 4 of 3"),
        (lambda payload: payload[:2], "number of lanes"),
        (lambda payload: payload[:-2], "too short"),
        (lambda payload: payload + b"\0\0", "left"),
        (lambda payload: payload[:1] + b"\xff\xff\xff\xff\x01" + payload[2:], "is truncated"),
        (lambda payload: payload[:1] + b"\x7f" + payload[2:20], "truncated"),
    ],
)
def test_damaged_payload_is_rejected(
    mosaic: HyperpriorImageCodec, damage: Callable[[bytes], bytes], message: str
) -> None:
    payload = mosaic.encode(_image(40, 40), 2).payload
    with pytest.raises(ValueError, match=message):
        mosaic.decode(damage(payload), 40, 40)


def test_inconsistent_tables_are_rejected() -> None:
    known = scale_tables().model_dump()
    with pytest.raises(ValueError, match="same rows and columns"):
        ScaleTables.model_validate({**known, "side_levels": ((9, 9), (9, 9), (9, 9))})
    with pytest.raises(ValueError, match="one of 64 tables"):
        ScaleTables.model_validate({**known, "side_levels": ((64, 9, 9),) * 3})
