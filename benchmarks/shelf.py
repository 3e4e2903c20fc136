"""What is served under load: a store of its own in `build/`, made once.

ResNet-20 (He et al. 2015, 270,000 parameters) comes with its first weights, which cost what trained
ones cost: the shelf's own classifiers of small pictures may be of another size tomorrow. Its int8
variant is calibrated on pieces of a photograph.
"""

import shutil
import sys
from pathlib import Path

import numpy as np
from PIL import Image

__all__ = ["PHOTO", "PICTURE", "made"]

PICTURE = Path("build/benchmarks/picture.png")
"""32 × 32, a few kilobytes."""
PHOTO = Path("build/benchmarks/photo.jpg")
"""768 × 512, JPEG quality 90."""

_STORE = Path("build/benchmarks/store")
_PIECES = Path("build/benchmarks/pieces")
_MODELS = ("mobilenet-hymenoptera", "resnet-cifar10")


def made(shelf: Path = Path("models_store")) -> Path:
    """The store, with what `shelf` has of `_MODELS` and a ResNet-20; the pictures beside it."""
    if not (_STORE / "resnet-20" / "1" / "model-int8.onnx").is_file():
        shutil.rmtree(_STORE / "resnet-20", ignore_errors=True)
        _publish_resnet(_STORE)
    for name in _MODELS:
        shutil.copytree(shelf / name, _STORE / name, dirs_exist_ok=True)
    _draw(PICTURE, (32, 32))
    _draw(PHOTO, (768, 512))
    return _STORE


def _photograph() -> Image.Image:
    from sklearn.datasets import load_sample_image  # a photograph that a package ships

    return Image.fromarray(np.asarray(load_sample_image("china.jpg")))


def _draw(path: Path, size: tuple[int, int]) -> None:
    _photograph().resize(size, Image.Resampling.LANCZOS).save(path, quality=90)


def _cut(folder: Path) -> None:
    """Two classes of 100 pieces of a photograph, each 32 × 32."""
    photograph = _photograph()
    for index in range(200):
        left, top = 32 * (index % 20), 32 * (index // 20)
        path = folder / f"class {index % 2}" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        photograph.crop((left, top, left + 32, top + 32)).save(path)


def _publish_resnet(store: Path) -> None:
    import torch

    from models_store.manifest import Provenance
    from models_store.tasks import Classification, FixedImage
    from training.config.recipe import Publish
    from training.networks.resnet import ResNet
    from training.publish.onnx.graphs import ClassifierGraph
    from training.publish.provenance import Environment
    from training.publish.publisher import shelve
    from training.publish.quantization.quantize import quantize
    from training.publish.spec import Graph, Publication

    torch.manual_seed(0)
    network = ResNet.Config(depth=20, classes=10, stem="cifar", shortcut="A").build()
    pictures = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
    graph = Graph(
        role="model",
        module=ClassifierGraph(network.eval(), [0.5] * 3, [0.25] * 3),
        inputs=("images",),
        outputs=("probabilities",),
        free_axes={"images": {0: "batch"}},
        cases=({"images": pictures},),
    )

    def report(_: object, preview: Path) -> tuple[()]:
        Image.new("RGB", (32, 32)).save(preview)
        return ()

    publication = Publication(
        task=Classification(
            image=FixedImage(width=32, height=32, mode="RGB", resize="crop"),
            labels=tuple(f"class {index}" for index in range(10)),
        ),
        graphs=(graph,),
        data=(),
        report=report,
        rtol=1e-3,
        atol=1e-4,
    )
    card = Publish(summary="ResNet-20, not trained.", intended_use="Load tests.", limits="All.")
    made = Provenance(
        recipe={"data": {"kind": "folder", "path": str(_PIECES), "size": [32, 32]}},
        command="python -m benchmarks serve",
        seed=0,
        **Environment.here().model_dump(),
        duration_s=0,
    )
    shelve("resnet-20", card, publication, made, store)
    _cut(_PIECES)
    quantize("resnet-20", store)


if __name__ == "__main__":
    made()
    sys.exit()
