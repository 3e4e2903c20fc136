"""Tasks on pen strokes: their base, and the classification of drawings from the pen's movements.

Shapes: B batch, T time, K classes.
"""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from training.config.tasks import StrokeAugmentation, StrokeClassificationConfig
from training.datasets.base import epoch_generator
from training.datasets.strokes import StrokeData, StrokeSplit, encode_moves
from training.errors import RecipeError
from training.networks.stroke_reader import StrokeReader
from training.tasks.base import (
    DatasetTask,
    Monitor,
    Scores,
    Split,
    build_task,
    classification_scores,
)
from training.tasks.single_network import SingleNetwork

_EVAL_BATCH = 1000


class StrokeTask(DatasetTask[StrokeSplit], SingleNetwork):
    """Provides batches of augmented drawings."""

    config: StrokeAugmentation
    data: StrokeData

    def setup(self) -> None:
        if not isinstance(self.data, StrokeData):
            raise RecipeError(f"{self.data.title} has no pen strokes, which this task needs")

    def batches(self, epoch: int) -> Iterator[StrokeSplit]:
        generator = epoch_generator(self.train_config.seed, epoch)
        for batch in self.data.train.batches(self.train_config.batch_size, generator):
            yield augment_strokes(batch, self.config.noise, self.config.distortion, generator)


def augment_strokes(
    batch: StrokeSplit, noise: float, distortion: float, generator: Generator
) -> StrokeSplit:
    """Apply a random linear map near the identity to each drawing and jitter every point."""
    moves_BT3 = batch.moves_NT3.clone()
    size, time = moves_BT3.shape[:2]
    if distortion:
        maps_B22 = distortion * torch.randn((size, 2, 2), generator=generator)
        moves_BT3[..., :2] = moves_BT3[..., :2] @ (torch.eye(2) + maps_B22)
    if noise:
        points_BT2 = (2 * torch.rand((size, time, 2), generator=generator) - 1) * noise
        moves_BT3[..., :2] += torch.diff(points_BT2, dim=1, prepend=torch.zeros(size, 1, 2))
    return StrokeSplit(moves_BT3, batch.lengths_N, batch.labels_N)


@build_task.register(StrokeClassificationConfig)
class StrokeClassification(StrokeTask):
    """Minimize the cross entropy of the prediction after the last move."""

    monitor = Monitor("accuracy", higher_is_better=True)

    def setup(self) -> None:
        super().setup()
        data, classes = self.data, self.train_config.network.class_count
        if data.pen_lifts_leak_labels:
            raise RecipeError(
                f"{data.title}: pen lifts were guessed with the digit known, which would leak the "
                "label; set data.pen_lifts to false"
            )
        if classes != len(data.labels):
            raise RecipeError(
                f"network.classes is {classes}, but {data.title} has {len(data.labels)} classes"
            )

    def loss(self, batch: StrokeSplit) -> dict[str, Tensor]:
        logits_BK = self._final_logits(self.network, batch)
        labels_B = batch.labels_N.to(self.fabric.device)
        accuracy = (logits_BK.detach().argmax(1) == labels_B).float().mean()
        return {"loss": functional.cross_entropy(logits_BK, labels_B), "accuracy": accuracy}

    def _final_logits(self, network: nn.Module, split: StrokeSplit) -> Tensor:
        """Return logits (B, K) after each drawing's last move."""
        logits_BTK: Tensor = network(encode_moves(split.moves_NT3).to(self.fabric.device))
        last = (split.lengths_N - 1).to(self.fabric.device)
        return logits_BTK[torch.arange(len(split)), last].float()

    def evaluate(self, split: Split) -> Scores:
        """Return accuracy and mean nats of the prediction after the last move."""
        network, part = self.network_to_publish().eval(), self.split(split)
        with torch.inference_mode(), self.fabric.autocast():
            logits_NK = torch.cat(
                [self._final_logits(network, b) for b in part.batches(_EVAL_BATCH)]
            )
        return classification_scores(logits_NK, part.labels_N.to(logits_NK.device))

    def class_probabilities(self, split: StrokeSplit) -> Tensor:
        """Return probabilities (B, T, K) after every move."""
        network = self.network_to_publish().eval()
        if not isinstance(network, StrokeReader):
            raise RecipeError("the task strokes needs the network stroke-reader")
        with torch.inference_mode():
            logits_BTK: Tensor = network(encode_moves(split.moves_NT3).to(self.fabric.device))
        return logits_BTK.softmax(-1).cpu()
