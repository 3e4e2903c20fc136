"""The 1,797 handwritten digits of 8×8 in scikit-learn: real data without a download.

They are the test part of Alpaydin and Kaynak's "Optical Recognition of Handwritten Digits" (1998).
"""

from typing import Literal

import numpy as np
import torch
from pydantic import NonNegativeInt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from models_store.base import FrozenModel
from training.datasets.base import ImageData, ImageSplit, split_validation

_TEST_SIZE = 500


class Digits(FrozenModel):
    """A fixed, stratified split into 1,297 training images and 500 test images."""

    kind: Literal["digits"] = "digits"
    validation_size: NonNegativeInt = 0

    def load(self) -> ImageData:
        """Raise DataError if `validation_size` leaves no image to train on."""
        bunch = load_digits()
        # Values count the set pixels of 4×4 blocks, 0 to 16.
        gray_NHW = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
        train, test = train_test_split(
            np.arange(len(gray_NHW)), test_size=_TEST_SIZE, stratify=bunch.target, random_state=0
        )
        all_images = ImageSplit(
            torch.from_numpy(gray_NHW)[:, None], torch.from_numpy(bunch.target.astype(np.int64))
        )
        data = ImageData(
            title="scikit-learn digits",
            licence="CC BY 4.0",
            source="https://archive.ics.uci.edu/dataset/80",
            labels=tuple("0123456789"),
            train=all_images.subset(torch.from_numpy(train)),
            test=all_images.subset(torch.from_numpy(test)),
        )
        return split_validation(data, self.validation_size)
