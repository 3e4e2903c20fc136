import pytest
import torch
from sklearn.datasets import load_digits

from training.datasets.base import class_counts
from training.datasets.digits import Digits
from training.errors import DataError


def test_digits_are_those_of_scikit_learn_in_eight_bits() -> None:
    data = Digits().load()
    assert (len(data.train), len(data.test), data.validation) == (1297, 500, None)
    assert data.train.images_NCHW.dtype == torch.uint8
    assert (data.channels, data.size_HW) == (1, (8, 8))

    ours = torch.cat([data.train.images_NCHW, data.test.images_NCHW])[:, 0]
    theirs = torch.from_numpy(load_digits().images)
    # The 17 grey levels come back exactly: 255 / 16 apart, they survive the rounding.
    back = (ours.double() / 255 * 16).round()
    assert sorted(map(str, back.tolist())) == sorted(map(str, theirs.tolist()))
    assert int(ours.max()) == 255


def test_each_class_is_split_in_proportion() -> None:
    data = Digits().load()
    train = class_counts(data.train.labels_N, data.labels)
    test = class_counts(data.test.labels_N, data.labels)
    for name in data.labels:
        assert test[name] / (test[name] + train[name]) == pytest.approx(500 / 1797, abs=0.005)


def test_the_split_is_always_the_same() -> None:
    first, again = Digits().load(), Digits().load()
    assert first.train.sha256 == again.train.sha256
    assert first.test.sha256 == again.test.sha256


def test_validation_comes_from_the_training_images() -> None:
    data = Digits(validation_size=97).load()
    assert data.validation is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (1200, 97, 500)
    assert data.test.sha256 == Digits().load().test.sha256


def test_a_validation_size_that_leaves_nothing_is_rejected() -> None:
    with pytest.raises(DataError, match="validation_size is 1297"):
        Digits(validation_size=1297).load()
