"""Build the model store that load tests serve, once, in `build/`.

ResNet-20 (He et al. 2015, 270,000 parameters) has random weights: they cost the same to run as
trained ones, and the benchmark stays comparable when published classifiers change. Its int8 variant
is calibrated on crops of a photograph.
"""

import shutil
import sys
from pathlib import Path

import numpy as np
from PIL import Image

SMALL_IMAGE = Path("build/benchmarks/image.png")
"""32 × 32, a few kilobytes."""
PHOTO = Path("build/benchmarks/photo.jpg")
"""768 × 512, JPEG quality 90."""

_STORE = Path("build/benchmarks/store")
_CROPS = Path("build/benchmarks/pieces")
_MODELS = ("mobilenet-hymenoptera", "resnet-cifar10")


def create_store(source_store: Path = Path("models_store")) -> Path:
    """Return a store with `_MODELS` from `source_store` and a ResNet-20, and its test images."""
    if not (_STORE / "resnet-20" / "1" / "model-int8.onnx").is_file():
        shutil.rmtree(_STORE / "resnet-20", ignore_errors=True)
        _publish_resnet(_STORE)
    for name in _MODELS:
        shutil.copytree(source_store / name, _STORE / name, dirs_exist_ok=True)
    _write_image(SMALL_IMAGE, (32, 32))
    _write_image(PHOTO, (768, 512))
    return _STORE


def _sample_photo() -> Image.Image:
    from sklearn.datasets import load_sample_image  # a photograph that a package ships

    return Image.fromarray(np.asarray(load_sample_image("china.jpg")))


def _write_image(path: Path, size: tuple[int, int]) -> None:
    _sample_photo().resize(size, Image.Resampling.LANCZOS).save(path, quality=90)


def _write_crops(folder: Path) -> None:
    """Write two classes of 100 crops of a photograph, each 32 × 32."""
    photo = _sample_photo()
    for index in range(200):
        left, top = 32 * (index % 20), 32 * (index // 20)
        path = folder / f"class {index % 2}" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        photo.crop((left, top, left + 32, top + 32)).save(path)


def _publish_resnet(store: Path) -> None:
    import torch

    from models_store.manifest import Provenance
    from models_store.tasks import Classification, FixedImage
    from training.config.recipe import ModelCard
    from training.engine.environment import Environment
    from training.networks.resnet import ResNet
    from training.publish.onnx.graphs import ClassifierGraph
    from training.publish.publisher import publish_model
    from training.publish.quantization.quantize import quantize_version
    from training.publish.spec import ExportSpec, GraphSpec

    torch.manual_seed(0)
    network = ResNet.Config(depth=20, classes=10, stem="cifar", shortcut="A").build()
    images = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
    graph = GraphSpec(
        role="model",
        module=ClassifierGraph(network.eval(), [0.5] * 3, [0.25] * 3),
        outputs=("probabilities",),
        cases=({"images": images},),
    )

    def report(_: object, preview: Path) -> tuple[()]:
        Image.new("RGB", (32, 32)).save(preview)
        return ()

    spec = ExportSpec(
        task=Classification(
            image=FixedImage(width=32, height=32, mode="RGB", resize="crop"),
            labels=tuple(f"class {index}" for index in range(10)),
        ),
        graphs=(graph,),
        data=(),
        report=report,
    )
    card = ModelCard(summary="ResNet-20, not trained.", intended_use="Load tests.", limits="All.")
    provenance = Provenance(
        recipe={"data": {"kind": "folder", "path": str(_CROPS), "size": [32, 32]}},
        command="python -m benchmarks serve",
        seed=0,
        **Environment.current().model_dump(),
        duration_s=0,
    )
    publish_model("resnet-20", card, spec, provenance, store)
    _write_crops(_CROPS)
    quantize_version("resnet-20", store)


if __name__ == "__main__":
    create_store()
    sys.exit()
