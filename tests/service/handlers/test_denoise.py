"""Denoising stops early where the deadline cannot be met."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models_store.manifest import Manifest
from models_store.tasks import AnySizeImage, Denoising
from service.errors import ContentTooLarge, InvalidValue
from service.handlers.denoise import denoise
from service.runtime.loaded_model import LoadedModel
from service.scheduling.admission import AdmissionController, Ticket
from tests.fakes.image_models import encode_png, solid_image

MAX_PIXELS = 10_000
SPEC = AnySizeImage(mode="RGB", multiple_of=4, tile=16, overlap=8)


class SlowGraph:
    """Takes 2 s of a clock of its own for a tile of 16 × 16 pixels."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def run(self, inputs: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
        self.now_s += 2 * inputs["images"].size / (16 * 16 * 3)
        return {"denoised": inputs["images"]}


def _denoise(graph: SlowGraph, *images: bytes) -> None:
    fields: dict[str, Any] = {"name": "slow", "version": 1}
    manifest = Manifest.model_construct(**fields)
    task = Denoising(image=SPEC, noise="any")
    model = LoadedModel(manifest, task, {"model": graph}, b"")
    denoise(model, images, (), max_pixels=MAX_PIXELS, ticket=_admit(graph))


def _admit(graph: SlowGraph) -> Ticket:
    clock = lambda: graph.now_s  # noqa: E731
    return AdmissionController(running=1, waiting=0, deadline_s=60, clock=clock).admit(0)


def _image(height: int, width: int) -> bytes:
    return encode_png(solid_image(height, width, (9, 9, 9)))


@pytest.mark.parametrize("sizes", [[(64, 64)], [(40, 32)] * 5], ids=["one large", "five small"])
def test_images_that_take_longer_than_the_deadline_are_rejected_after_one_tile(
    sizes: list[tuple[int, int]],
) -> None:
    graph = SlowGraph()
    with pytest.raises(ContentTooLarge, match="the deadline is 60 s"):
        _denoise(graph, *(_image(*size) for size in sizes))
    assert graph.now_s == 2


def test_the_largest_image_that_fits_is_denoised() -> None:
    graph = SlowGraph()
    _denoise(graph, _image(48, 48))
    assert graph.now_s == 2 * 5 * 5


def test_a_damaged_header_is_found_before_the_images_ahead_of_it_are_computed() -> None:
    graph = SlowGraph()
    with pytest.raises(InvalidValue) as caught:
        _denoise(graph, _image(16, 16), _image(16, 16)[:20])
    assert caught.value.detail.startswith("image 2 of 2: damaged PNG image")
    assert graph.now_s == 0
