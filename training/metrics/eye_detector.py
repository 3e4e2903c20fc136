"""Detection of two eyes, to check that generated images show faces.

The detector is OpenCV's cascade of Haar features (Viola and Jones 2001), which is part of
opencv-python-headless.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from training.errors import DataError

_CASCADE = "haarcascade_eye.xml"
_SIDE = 256
"""Side to which images are enlarged, in pixels: the cascade's smallest window has 20."""
_UPPER = 0.65
"""Share of the height, from the top, that is searched, because mouths resemble eyes."""
_SMALLEST, _LARGEST = 24, 112
"""Smallest and largest side of an eye's window, in enlarged pixels."""
_NEIGHBOURS = 3
"""Number of overlapping detections that count as an eye; OpenCV's default."""


class EyeDetector:
    """Detects eyes in upright faces that fill the image.

    Raises:
        DataError: OpenCV is not installed.
    """

    def __init__(self) -> None:
        try:
            cv2: Any = import_module("cv2")
        except ImportError as error:
            raise DataError(
                "finding eyes needs OpenCV: pip install 'opencv-python-headless<5'"
            ) from error
        self._cv2 = cv2
        self._cascade = cv2.CascadeClassifier(str(Path(cv2.data.haarcascades) / _CASCADE))

    def __call__(self, images_NCHW: Tensor) -> Tensor:
        """Return True (N,) for each uint8 image whose left and right halves both show an eye."""
        return Tensor([self._two(np.asarray(image)) for image in images_NCHW]).bool()

    def _two(self, image_CHW: np.ndarray[Any, Any]) -> bool:
        cv2 = self._cv2
        gray_HW = image_CHW[0]
        if len(image_CHW) > 1:
            image_HWC = np.ascontiguousarray(image_CHW.transpose(1, 2, 0))
            gray_HW = cv2.cvtColor(image_HWC, cv2.COLOR_RGB2GRAY)
        large_HW = cv2.resize(gray_HW, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
        eyes = self._cascade.detectMultiScale(
            large_HW[: int(_UPPER * _SIDE)],
            minNeighbors=_NEIGHBOURS,
            minSize=(_SMALLEST, _SMALLEST),
            maxSize=(_LARGEST, _LARGEST),
        )
        return len({left + width / 2 < _SIDE / 2 for left, _, width, _ in eyes}) > 1
