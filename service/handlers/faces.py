"""Generate faces from seeds, and interpolate between two of them."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from models_store.sampling.latents import Latent, latent_from_seed, slerp, truncate
from models_store.tasks import FaceGeneration
from service.runtime.loaded_model import LoadedModel

ImageBatch = NDArray[np.uint8]


def generate_faces(
    model: LoadedModel[FaceGeneration],
    seeds: Sequence[int],
    truncation: float,
    check: Callable[[], None],
) -> ImageBatch:
    """Return a face for each seed, uint8 (N, H, W, C); `check` is called before each run."""
    return _generate(model, (_truncated_latent(model, seed, truncation) for seed in seeds), check)


def interpolate_faces(
    model: LoadedModel[FaceGeneration],
    end_seeds: tuple[int, int],
    steps: int,
    truncation: float,
    check: Callable[[], None],
) -> ImageBatch:
    """Return `steps` frames, uint8 (N, H, W, C), from one seed's face to another's."""
    start, end = (_truncated_latent(model, seed, truncation) for seed in end_seeds)
    weights = np.linspace(0, 1, steps).tolist()
    return _generate(model, (slerp(start, end, weight) for weight in weights), check)


def _truncated_latent(model: LoadedModel[FaceGeneration], seed: int, truncation: float) -> Latent:
    mean_latent, seed_latent = (
        latent_from_seed(index, model.task.latent) for index in (model.task.typical, seed)
    )
    return truncate(seed_latent, mean_latent, truncation)


def _generate(
    model: LoadedModel[FaceGeneration], latents: Iterable[Latent], check: Callable[[], None]
) -> ImageBatch:
    """Run the generator once for each latent.

    Batches would hardly be faster on a CPU, and they sum in another order: pixels of a face could
    then differ by one level, depending on how many faces are requested.
    """
    graph, images = model.graphs["generator"], []
    for latent_vector in latents:
        check()
        images.append(graph.run({"latents": latent_vector[np.newaxis]})["images"][0])
    stacked: ImageBatch = np.stack(images).astype(np.uint8, copy=False)
    return stacked
