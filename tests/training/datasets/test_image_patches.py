import numpy as np
import pytest
import torch
from torch import Generator

from training.datasets.image_patches import PatchData, PatchSplit


def _batches(
    *images: torch.Tensor, patch: int, patches: int, batch_size: int, evenly: bool = True
) -> list[torch.Tensor]:
    data = PatchData(
        title="photos", test_title="none", licence="none", source="none", patch=patch,
        patches_per_epoch=patches, evenly=evenly, train=PatchSplit(images), test=PatchSplit(()),
    )  # fmt: skip
    batches = list(data.batches(batch_size, Generator().manual_seed(1)))
    assert len(batches) == data.batch_count(batch_size)
    return batches


def _numbered(height: int, width: int) -> torch.Tensor:
    """Return an image with the row in red and the column in green."""
    rows, columns = np.mgrid[:height, :width].astype(np.uint8)
    return torch.from_numpy(np.stack([rows, columns, np.zeros_like(rows)]))


@pytest.mark.parametrize("evenly", [True, False])
def test_patch_is_a_part_of_an_image_in_one_of_eight_orientations(evenly: bool) -> None:
    orientations = set()
    image = _numbered(30, 50)
    for (patch,) in _batches(image, patch=8, patches=200, batch_size=1, evenly=evenly):
        corners = [patch[:2, 0, 0], patch[:2, 0, 7], patch[:2, 7, 0]]
        origin = torch.stack([patch[:2, i, j] for i in (0, 7) for j in (0, 7)]).amin(0)
        orientations.add(tuple(tuple((corner - origin).tolist()) for corner in corners))
        assert sorted(map(tuple, (patch[:2].flatten(1).T - origin).tolist())) == [
            (row, column) for row in range(8) for column in range(8)
        ]
    assert len(orientations) == 8


def test_even_epoch_takes_each_image_equally_often_and_drops_the_partial_batch() -> None:
    images = [torch.full((3, 8 + i, 9), i, dtype=torch.uint8) for i in range(5)]
    batches = _batches(*images, patch=8, patches=20, batch_size=3)
    drawn = torch.cat(batches)[:, 0, 0, 0].bincount(minlength=5)
    assert (len(batches), int(drawn.sum())) == (6, 18)
    assert int(drawn.max()) <= 4


def test_batches_depend_on_the_seed_alone() -> None:
    first, again = (_batches(_numbered(30, 50), patch=8, patches=9, batch_size=3) for _ in "12")
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_image_smaller_than_a_patch_is_mirrored() -> None:
    (patch,) = _batches(_numbered(3, 5), patch=16, patches=1, batch_size=1)[0]
    assert patch.shape == (3, 16, 16)
    assert set(patch[0].unique().tolist()) <= {0, 1, 2, 3, 4}
