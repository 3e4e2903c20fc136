"""Seeds → faces, or the way from one face to another."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from models_store.sampling.latents import Latent, between, latent, nearer
from models_store.tasks import Faces
from service.runtime.loaded_model import Published

__all__ = ["faces", "morph"]

Pictures = NDArray[np.uint8]


def faces(
    model: Published[Faces], seeds: Sequence[int], truncation: float, check: Callable[[], None]
) -> Pictures:
    """A face for each seed: uint8 (N, H, W, C). `check` is called before every run."""
    return _draw(model, (_latent(model, seed, truncation) for seed in seeds), check)


def morph(
    model: Published[Faces],
    ends: tuple[int, int],
    steps: int,
    truncation: float,
    check: Callable[[], None],
) -> Pictures:
    """`steps` frames, uint8 (N, H, W, C), from the face of one seed to that of another."""
    start, end = (_latent(model, seed, truncation) for seed in ends)
    shares = np.linspace(0, 1, steps).tolist()
    return _draw(model, (between(start, end, share) for share in shares), check)


def _latent(model: Published[Faces], seed: int, truncation: float) -> Latent:
    typical, own = (latent(which, model.task.latent) for which in (model.task.typical, seed))
    return nearer(own, typical, truncation)


def _draw(
    model: Published[Faces], latents: Iterable[Latent], check: Callable[[], None]
) -> Pictures:
    """One run for each face.

    A batch would hardly be faster on a processor, and sums in another order: a face could then
    differ, by a grey level here and there, with how many others were asked for.
    """
    graph, images = model.graphs["generator"], []
    for one in latents:
        check()
        images.append(graph.run({"latents": one[np.newaxis]})["images"][0])
    drawn: Pictures = np.stack(images).astype(np.uint8, copy=False)
    return drawn
