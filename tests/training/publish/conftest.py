"""Two runs of one epoch, published once, for all tests that only look."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from models_store.manifest import Manifest
from models_store.verify import read_manifest
from tests.training.tiny import DENOISING
from tests.training.tiny import recipe as tiny
from training.config.recipe import Recipe, load_recipe
from training.engine.trainer import FitResult, fit
from training.publish.publisher import publish_run

OVERRIDES = (
    "data={kind: digits}",
    "network={kind: resnet, depth: 20, stem: cifar, in_channels: 1, width: 4, classes: 10}",
    "task.transforms=[{kind: crop, padding: 1}]",
    "optimizer={kind: sgd, lr: 0.05, momentum: 0.9, nesterov: true}",
    "epochs=1",
    "batch_size=50",
    "precision=32-true",
    "channels_last=false",
    "ema_decay=0.9",
    "publish.calibrate=false",
    "publish.storage=float32",
)


@dataclass(frozen=True)
class PublishedRun:
    recipe: Recipe
    fitted: FitResult
    run: Path
    folder: Path

    @property
    def store(self) -> Path:
        return self.folder.parents[1]

    @property
    def manifest(self) -> Manifest:
        return read_manifest(self.folder)


def _publish(recipe: Recipe, home: Path) -> PublishedRun:
    fitted = fit(recipe, home / "run", show_progress=False)
    return PublishedRun(
        recipe, fitted, home / "run", publish_run(recipe, home / "run", home / "store")
    )


@pytest.fixture(scope="session")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> PublishedRun:
    """Return a built-in recipe, made small."""
    recipe = load_recipe("resnet-cifar10", OVERRIDES)
    return _publish(recipe, tmp_path_factory.mktemp("classifier"))


@pytest.fixture(scope="session")
def denoiser(tmp_path_factory: pytest.TempPathFactory) -> PublishedRun:
    """Return a user's recipe."""
    recipe = tiny(**DENOISING, name="tiny-denoiser", epochs=2, data={"kind": "digits"})
    return _publish(recipe, tmp_path_factory.mktemp("denoiser"))
