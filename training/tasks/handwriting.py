"""Where the pen goes next: likelihood of every move of a drawing, given those before it.

Shapes: B batch, T time.
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from lightning_fabric import Fabric
from pydantic import Field
from torch import Tensor, nn

from training.datasets.strokes import StrokeData, StrokeSplit, encode
from training.errors import RecipeError
from training.networks.handwriting import Handwriting as Network
from training.networks.handwriting import mixture_nats
from training.publish.spec import Publication
from training.publish.tasks import handwriting as export
from training.tasks.base import Monitor, Scores, Split
from training.tasks.stroke_task import PenTask, Variation, needs_strokes

if TYPE_CHECKING:
    from training.config.recipe import Recipe

__all__ = ["Handwriting", "read_before"]

_EVAL_BATCH = 1000


class Handwriting(PenTask):
    """Nats a move, of place and pen together (Graves 2013, arXiv 1308.0850, equation 26)."""

    monitor = Monitor("loss", higher_is_better=False)

    class Config(Variation):
        kind: Literal["handwriting"] = "handwriting"
        bias: Annotated[float, Field(ge=0, le=10)] = 1.0
        """Of the preview and of the figures on what it draws."""

        def build(self, recipe: "Recipe", data: Any, fabric: Fabric) -> "Handwriting":
            return Handwriting(self, recipe, needs_strokes(data, "handwriting"), fabric)

    def __init__(self, config: Config, recipe: "Recipe", data: StrokeData, fabric: Fabric) -> None:
        self.config = config
        self._sized = _sized(recipe.network, data)
        super().__init__(config, recipe, data, fabric)

    def build_network(self) -> Network:
        network = self._sized.build()
        self.recipe.initializer.apply(network)
        return network

    def loss(self, batch: StrokeSplit) -> dict[str, Tensor]:
        place, pen = self._nats(self.network, batch)
        return {"loss": place + pen, "place": place.detach(), "pen": pen.detach()}

    def _nats(self, network: nn.Module, split: StrokeSplit) -> tuple[Tensor, Tensor]:
        moves_BT5 = encode(split.moves_NT3).to(self.fabric.device)
        labels_B1 = split.labels_N.to(self.fabric.device)[:, None]
        mixture, _ = network(read_before(moves_BT5), labels_B1.expand(moves_BT5.shape[:2]))
        mask_BT = split.mask_NT.to(self.fabric.device)
        place, pen = mixture_nats(mixture.float(), moves_BT5)
        return place[mask_BT].mean(), pen[mask_BT].mean()

    def evaluate(self, split: Split) -> Scores:
        """Mean nats a move: of place and pen together, and of each."""
        network, part = self.published_network().eval(), self.split(split)
        sums = torch.zeros(2, dtype=torch.float64)
        with torch.inference_mode(), self.fabric.autocast():
            for batch in part.batches(_EVAL_BATCH):
                nats = torch.stack(self._nats(network, batch)).double().cpu()
                sums += nats * int(batch.lengths_N.sum())
        place, pen = (sums / int(part.lengths_N.sum())).tolist()
        return {"loss": place + pen, "place": place, "pen": pen}

    def publication(self) -> Publication:
        return export.publication(self)


def read_before(moves_BT5: Tensor) -> Tensor:
    """What is read before each move: the one before it, and before the first a lifted pen."""
    nothing = moves_BT5.new_tensor([0, 0, 0, 1, 0]).expand(len(moves_BT5), 1, -1)
    return torch.cat([nothing, moves_BT5[:, :-1]], 1)


def _sized(config: object, data: StrokeData) -> Network.Config:
    if not isinstance(config, Network.Config):
        raise RecipeError("the task handwriting needs a network that draws: kind: handwriting")
    there = len(data.labels)
    if config.symbols not in (None, there):
        raise RecipeError(
            f"network.symbols is {config.symbols}, but {data.title} has {there}; leave it out"
        )
    return config.model_copy(update={"symbols": there})
