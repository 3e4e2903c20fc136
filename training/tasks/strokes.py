"""Which class a drawing is of, from the movements of the pen alone.

Shapes: B batch, T time, K classes.
"""

from typing import TYPE_CHECKING, Any, Literal

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional

from training.datasets.strokes import StrokeData, StrokeSplit, encode_moves
from training.errors import ExportError, RecipeError
from training.networks.stroke_reader import StrokeReader
from training.publish.spec import ExportSpec
from training.tasks.base import Monitor, Scores, Split
from training.tasks.stroke_task import StrokeAugmentation, StrokeTask, require_strokes

if TYPE_CHECKING:
    from training.config.recipe import Recipe

__all__ = ["StrokeClassification"]

_EVAL_BATCH = 1000


class StrokeClassification(StrokeTask):
    """Cross entropy of the answer after the last move."""

    monitor = Monitor("accuracy", higher_is_better=True)

    class Config(StrokeAugmentation):
        kind: Literal["strokes"] = "strokes"

        def build(self, recipe: "Recipe", data: Any, fabric: Fabric) -> "StrokeClassification":
            return StrokeClassification(self, recipe, require_strokes(data, "strokes"), fabric)

    def __init__(self, config: Config, recipe: "Recipe", data: StrokeData, fabric: Fabric) -> None:
        if data.pen_lifts_leak_labels:
            raise RecipeError(
                f"{data.title}: where the pen was lifted was guessed from the digit, which would "
                "give the answer away; set data.pen_lifts to false"
            )
        classes = getattr(recipe.network, "classes", None)
        if classes != len(data.labels):
            raise RecipeError(
                f"network.classes is {classes}, but {data.title} has {len(data.labels)} classes"
            )
        super().__init__(config, recipe, data, fabric)

    def loss(self, batch: StrokeSplit) -> dict[str, Tensor]:
        logits_BK, labels_B = (
            self._final_logits(self.network, batch),
            batch.labels_N.to(self.fabric.device),
        )
        accuracy = (logits_BK.detach().argmax(1) == labels_B).float().mean()
        return {"loss": functional.cross_entropy(logits_BK, labels_B), "accuracy": accuracy}

    def _final_logits(self, network: nn.Module, split: StrokeSplit) -> Tensor:
        """Logits (B, K) after each drawing's last move."""
        logits_BTK: Tensor = network(encode_moves(split.moves_NT3).to(self.fabric.device))
        last = (split.lengths_N - 1).to(self.fabric.device)
        return logits_BTK[torch.arange(len(split)), last].float()

    def evaluate(self, split: Split) -> Scores:
        """Accuracy and mean nats, by the answer after the last move."""
        network, part = self.network_to_publish().eval(), self.split(split)
        with torch.inference_mode(), self.fabric.autocast():
            logits_NK = torch.cat(
                [self._final_logits(network, b) for b in part.batches(_EVAL_BATCH)]
            )
        labels_N = part.labels_N.to(logits_NK.device)
        return {
            "accuracy": float((logits_NK.argmax(1) == labels_N).float().mean()),
            "nll": float(functional.cross_entropy(logits_NK, labels_N)),
        }

    def class_probabilities(self, split: StrokeSplit) -> Tensor:
        """Probabilities (B, T, K) after every move."""
        network = self.network_to_publish().eval()
        if not isinstance(network, StrokeReader):
            raise RecipeError("the task strokes needs a network that reads: kind: stroke-reader")
        with torch.inference_mode():
            logits_BTK: Tensor = network(encode_moves(split.moves_NT3).to(self.fabric.device))
        return logits_BTK.softmax(-1).cpu()

    def export_spec(self) -> ExportSpec:
        raise ExportError(
            "a reader of pen strokes is not served: no task of the service takes strokes. "
            "`evaluate` measures it, `plot strokes` shows it"
        )
