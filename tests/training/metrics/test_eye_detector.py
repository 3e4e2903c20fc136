import sys

import pytest
import torch
from skimage import data
from torch import Tensor
from torchvision.transforms.functional import resize

from training.errors import DataError
from training.metrics.independent_metrics import EyeDetector


@pytest.fixture
def detector() -> EyeDetector:
    pytest.importorskip("cv2")
    return EyeDetector()


def _face() -> Tensor:
    """Return the face of the astronaut that scikit-image ships, 64 × 64, as in the data set."""
    whole = torch.from_numpy(data.astronaut()).permute(2, 0, 1)  # type: ignore[no-untyped-call]
    face: Tensor = resize(whole[None, :, 60:200, 155:295], [64, 64], antialias=True)
    return face


def test_two_eyes_are_found_in_a_face_and_not_without_one_of_them(detector: EyeDetector) -> None:
    face = _face()
    covered = face.clone()
    covered[:, :, :42, 32:] = 128
    noise = torch.randint(256, face.shape, generator=torch.Generator().manual_seed(0))
    found = detector(torch.cat((face, face.flip(3), covered, noise.to(torch.uint8))))
    assert found.tolist() == [True, True, False, False]


def test_eyes_are_detected_in_grey_images(detector: EyeDetector) -> None:
    gray = _face().float().mean(1, keepdim=True).to(torch.uint8)
    assert detector(gray).tolist() == [True]


def test_error_without_opencv_names_the_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(DataError, match="pip install 'opencv-python-headless"):
        EyeDetector()
