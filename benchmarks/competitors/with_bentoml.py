"""BentoML, as its documentation shows.

python -m bentoml serve benchmarks.competitors.with_bentoml:Service --port PORT
"""

import os
from pathlib import Path
from typing import Any

import bentoml  # type: ignore[import-not-found]  # of another environment

from benchmarks.competitors.classifier import Classifier


@bentoml.service(workers=int(os.environ.get("PEER_WORKERS", "2")))
class Service:
    """One route, whose body is the image."""

    def __init__(self) -> None:
        self._classify = Classifier()

    @bentoml.api(route="/v1/classify")  # type: ignore[untyped-decorator]
    def classify(self, image: Path, /) -> dict[str, Any]:
        """Return the five likeliest labels."""
        return {"predictions": self._classify(image.read_bytes())}
