from pathlib import Path

import pytest
import torch
from torch import Tensor

from training.metrics.feature_cache import FeatureCache


class _Means:
    """Mean colours as features; records the size of each batch."""

    def __init__(self) -> None:
        self.batch_sizes: list[int] = []

    def __call__(self, images_BCHW: Tensor) -> Tensor:
        self.batch_sizes.append(len(images_BCHW))
        return images_BCHW.float().mean((2, 3))


@pytest.fixture
def means() -> _Means:
    return _Means()


def _images(count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (count, 3, 4, 4), generator=generator, dtype=torch.uint8)


def test_rows_are_in_the_order_of_the_images(tmp_path: Path, means: _Means) -> None:
    images = _images(150)
    features = FeatureCache(tmp_path, "a")(images, means)
    assert torch.equal(features, images.float().mean((2, 3)))
    shuffled = torch.randperm(150, generator=torch.Generator().manual_seed(1))
    assert torch.equal(FeatureCache(tmp_path, "a")(images[shuffled], means), features[shuffled])
    assert means.batch_sizes == [64, 64, 22]


def test_only_what_is_new_is_computed(tmp_path: Path, means: _Means) -> None:
    FeatureCache(tmp_path, "a")(_images(10), means)
    more = torch.cat([_images(10), _images(3, seed=1)])
    features = FeatureCache(tmp_path, "a")(more, means)
    assert means.batch_sizes == [10, 3]
    assert torch.equal(features, more.float().mean((2, 3)))


def test_a_changed_pixel_is_another_image(tmp_path: Path, means: _Means) -> None:
    images = _images(5)
    FeatureCache(tmp_path, "a")(images, means)
    images[2, 0, 0, 0] ^= 255
    features = FeatureCache(tmp_path, "a")(images, means)
    assert means.batch_sizes == [5, 1]
    assert torch.equal(features, images.float().mean((2, 3)))


def test_the_same_bytes_in_another_shape_are_another_image(tmp_path: Path, means: _Means) -> None:
    images = _images(2)
    FeatureCache(tmp_path, "a")(images, means)
    FeatureCache(tmp_path, "a")(images.view(2, 3, 8, 2), means)
    assert means.batch_sizes == [2, 2]


def test_other_weights_have_features_of_their_own(tmp_path: Path, means: _Means) -> None:
    FeatureCache(tmp_path, "a")(_images(5), means)
    FeatureCache(tmp_path, "b")(_images(5), means)
    assert means.batch_sizes == [5, 5]


def test_an_image_that_is_there_twice_is_computed_once(tmp_path: Path, means: _Means) -> None:
    images = _images(4)
    features = FeatureCache(tmp_path, "a")(torch.cat([images, images]), means)
    assert means.batch_sizes == [4]
    assert torch.equal(features[:4], features[4:])


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half a file"])
def test_a_damaged_file_is_computed_again(tmp_path: Path, means: _Means, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    FeatureCache(tmp_path, "a")(_images(4), means)
    FeatureCache(tmp_path, "a")(_images(4), means)
    assert means.batch_sizes == [4]


def test_an_unwritable_folder_does_not_fail_the_run(tmp_path: Path, means: _Means) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")
    features = FeatureCache(tmp_path / "taken", "a")(_images(4), means)
    assert torch.equal(features, _images(4).float().mean((2, 3)))


def test_nothing_unfinished_is_left_behind(tmp_path: Path, means: _Means) -> None:
    FeatureCache(tmp_path, "a")(_images(4), means)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]
