"""Classification of images: cross entropy, accuracy."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.config.tasks import ClassificationConfig, ClassifierConfig
from training.datasets.base import Batch, ImageSplit
from training.datasets.transforms import Transform, alternately_flipped
from training.errors import RecipeError
from training.tasks.base import Monitor, Scores, build_task, classification_scores
from training.tasks.single_network import ImageTask


@build_task.register(ClassificationConfig)
class Classification(ImageTask):
    """Cross entropy with label smoothing (Szegedy et al. 2015, arXiv 1512.00567, section 7)."""

    config: ClassifierConfig
    monitor = Monitor("accuracy", higher_is_better=True)

    def setup(self) -> None:
        classes, labels = self.train_config.network.class_count, self.data.labels
        if classes not in (None, len(labels)):
            raise RecipeError(
                f"network.classes is {classes}, but {self.data.title} has {len(labels)} classes: "
                f"{', '.join(labels[:10])}"
            )
        self.mean, self.std = self.statistics()
        super().setup()

    def build_network(self) -> nn.Module:
        network = super().build_network()
        if self.train_config.network.class_count is None:
            self._check_logits(network)
        return network

    def _check_logits(self, network: nn.Module) -> None:
        """Run a network whose configuration does not state its channels and classes."""
        images = self.init_images()[:2]
        try:
            with torch.inference_mode():
                logits = network.eval()(images)
        except RuntimeError as error:
            raise RecipeError(
                f"the network fails on images {tuple(images.shape)}: {error}"
            ) from error
        expected = (2, len(self.data.labels))
        if tuple(logits.shape) != expected:
            raise RecipeError(
                f"the network returns {tuple(logits.shape)} for two images, but a classifier of "
                f"{self.data.title} returns logits {expected}"
            )

    def statistics(self) -> tuple[list[float], list[float]]:
        """Return the mean and deviation per channel, of images in 0–1, to normalize with."""
        return self.data.statistics()

    def init_images(self) -> Tensor:
        return self.normalize(super().init_images())

    def transforms(self) -> tuple[Transform, ...]:
        return self.config.transforms

    def images(self, epoch: int) -> ImageSplit:
        if not self.config.alternating_flip:
            return self.data.train
        return alternately_flipped(self.data.train, self.train_config.seed, epoch)

    def normalize(self, images_BCHW: Tensor) -> Tensor:
        """Map floats in 0–1 to zero mean and unit deviation per channel, by `statistics`."""
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
        """Return logits (N, K) in float32 and labels (N,) of a split, in its order."""
        logits = []
        for batch in split.batches(self.eval_batch_size):
            images = self.normalize(self.to_floats(batch.images_NCHW))
            logits.append(network(images).float().cpu())
        return torch.cat(logits), split.labels_N

    def measure(self, network: nn.Module, split: ImageSplit) -> Scores:
        return classification_scores(*self.predict(network, split))
