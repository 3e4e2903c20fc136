"""Classification of drawings from the movements of the pen.

Shapes: B batch, T time, K classes.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.config.tasks import StrokeClassificationConfig
from training.datasets.strokes import StrokeSplit, encode_moves
from training.errors import RecipeError
from training.networks.stroke_reader import StrokeReader
from training.tasks.base import Monitor, Scores, Split, build_task, classification_scores
from training.tasks.stroke_task import StrokeTask

_EVAL_BATCH = 1000


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
