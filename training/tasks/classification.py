"""Which class a picture is of: cross entropy, accuracy."""

from typing import TYPE_CHECKING, Annotated, Literal

import torch
from lightning_fabric import Fabric
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from models_store.base import FrozenModel
from training.datasets.base import ImageData, ImageSplit
from training.datasets.batches import Batch, Batches
from training.datasets.transforms import Transform, alternately_flipped
from training.errors import RecipeError
from training.networks.airbench import Airbench
from training.publish.spec import ExportSpec
from training.publish.tasks import classification as export
from training.tasks.base import Monitor, Scores
from training.tasks.image_task import ImageTask

if TYPE_CHECKING:
    from training.config.recipe import Recipe

__all__ = ["Classification", "ClassificationConfig"]

_MAX_INIT_IMAGES = 5_000
"""Pictures that a network which starts from the data's statistics is shown."""


class ClassificationConfig(FrozenModel):
    """What every classifier is trained by, whatever it starts from."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    transforms: tuple[Transform, ...] = ()
    alternating_flip: bool = False
    """Every picture is mirrored in every second epoch, half of them in the first (Jordan 2024,
    arXiv 2404.00498, section 3.6): two epochs show each both ways, which a coin does for half."""


class Classification(ImageTask):
    """Cross entropy with label smoothing (Szegedy et al. 2015, arXiv 1512.00567, section 7)."""

    monitor = Monitor("accuracy", higher_is_better=True)

    class Config(ClassificationConfig):
        kind: Literal["classification"] = "classification"

        def build(self, recipe: "Recipe", data: ImageData, fabric: Fabric) -> "Classification":
            return Classification(self, recipe, data, fabric)

    def __init__(
        self, config: ClassificationConfig, recipe: "Recipe", data: ImageData, fabric: Fabric
    ) -> None:
        self.config = config
        classes = getattr(recipe.network, "classes", None)
        if classes != len(data.labels):
            raise RecipeError(
                f"network.classes is {classes}, but {data.title} has {len(data.labels)} classes: "
                f"{', '.join(data.labels[:10])}"
            )
        self.mean, self.std = self.statistics(recipe, data)
        super().__init__(recipe, data, fabric)

    def statistics(self, recipe: "Recipe", data: ImageData) -> tuple[list[float], list[float]]:
        """Mean and deviation per channel, of pictures in 0–1, that the network's input has."""
        del recipe  # a network that comes with weights brings their statistics
        return data.statistics()

    def build_network(self) -> nn.Module:
        network = super().build_network()
        if isinstance(network, Airbench):
            images = self.data.train.images_NCHW[:_MAX_INIT_IMAGES]
            network.init_from_data(self.normalize(images.float() / 255))
        return network

    def transforms(self) -> tuple[Transform, ...]:
        return self.config.transforms

    def pictures(self, epoch: int) -> ImageSplit:
        if not self.config.alternating_flip:
            return self.data.train
        return alternately_flipped(self.data.train, self.recipe.seed, epoch)

    def normalize(self, images_BCHW: Tensor) -> Tensor:
        """Floats in 0–1 → zero mean and unit deviation per channel, over `statistics`."""
        shape = (1, -1, 1, 1)
        mean = torch.tensor(self.mean, device=images_BCHW.device).view(shape)
        std = torch.tensor(self.std, device=images_BCHW.device).view(shape)
        return (images_BCHW - mean) / std

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        images, labels = batch[0], batch[1].to(self.fabric.device)
        logits_BK = self.network(self.normalize(self.to_floats(images)))
        loss = functional.cross_entropy(
            logits_BK.float(), labels, label_smoothing=self.config.label_smoothing
        )
        return {"loss": loss, "accuracy": (logits_BK.detach().argmax(1) == labels).float().mean()}

    def predict(self, network: nn.Module, split: ImageSplit) -> tuple[Tensor, Tensor]:
        """Logits (N, K) in float32 and labels (N,) over a split, in its order."""
        logits, labels = [], []
        for images, targets in Batches(split, self.eval_batch_size):
            logits.append(network(self.normalize(self.to_floats(images))).float().cpu())
            labels.append(targets)
        return torch.cat(logits), torch.cat(labels)

    def measure(self, network: nn.Module, split: ImageSplit) -> Scores:
        logits_NK, labels_N = self.predict(network, split)
        return {
            "accuracy": float((logits_NK.argmax(1) == labels_N).float().mean()),
            "nll": float(functional.cross_entropy(logits_NK, labels_N)),
        }

    def export_spec(self) -> ExportSpec:
        return export.export_spec(self)
