"""Where the pen goes next: likelihood of every move of a drawing, given those before it.

Shapes: B batch, T time.
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from lightning_fabric import Fabric
from pydantic import Field
from torch import Tensor, nn

from training.datasets.strokes import StrokeData, StrokeSplit, encode_moves
from training.errors import RecipeError
from training.networks.handwriting import Handwriting as Network
from training.networks.handwriting import mixture_nll
from training.publish.spec import ExportSpec
from training.publish.tasks import handwriting as export
from training.tasks.base import Monitor, Scores, Split
from training.tasks.stroke_task import StrokeAugmentation, StrokeTask, require_strokes

if TYPE_CHECKING:
    from training.config.recipe import Recipe

__all__ = ["Handwriting", "shift_right"]

_EVAL_BATCH = 1000


class Handwriting(StrokeTask):
    """Nats a move, of place and pen together (Graves 2013, arXiv 1308.0850, equation 26)."""

    monitor = Monitor("loss", higher_is_better=False)

    class Config(StrokeAugmentation):
        kind: Literal["handwriting"] = "handwriting"
        bias: Annotated[float, Field(ge=0, le=10)] = 1.0
        """Of the preview and of the figures on what it draws."""

        def build(self, recipe: "Recipe", data: Any, fabric: Fabric) -> "Handwriting":
            return Handwriting(self, recipe, require_strokes(data, "handwriting"), fabric)

    def __init__(self, config: Config, recipe: "Recipe", data: StrokeData, fabric: Fabric) -> None:
        self.config = config
        self._network_config = _resolve_network_config(recipe.network, data)
        super().__init__(config, recipe, data, fabric)

    def build_network(self) -> Network:
        network = self._network_config.build()
        self.recipe.initializer.apply(network)
        return network

    def loss(self, batch: StrokeSplit) -> dict[str, Tensor]:
        move_nll, pen_nll = self._mean_nll(self.network, batch)
        return {"loss": move_nll + pen_nll, "place": move_nll.detach(), "pen": pen_nll.detach()}

    def _mean_nll(self, network: nn.Module, split: StrokeSplit) -> tuple[Tensor, Tensor]:
        moves_BT5 = encode_moves(split.moves_NT3).to(self.fabric.device)
        labels_B1 = split.labels_N.to(self.fabric.device)[:, None]
        mixture, _ = network(shift_right(moves_BT5), labels_B1.expand(moves_BT5.shape[:2]))
        mask_BT = split.mask_NT.to(self.fabric.device)
        move_nll, pen_nll = mixture_nll(mixture.float(), moves_BT5)
        return move_nll[mask_BT].mean(), pen_nll[mask_BT].mean()

    def evaluate(self, split: Split) -> Scores:
        """Mean nats a move: of place and pen together, and of each."""
        network, data = self.network_to_publish().eval(), self.split(split)
        sums = torch.zeros(2, dtype=torch.float64)
        with torch.inference_mode(), self.fabric.autocast():
            for batch in data.batches(_EVAL_BATCH):
                nll = torch.stack(self._mean_nll(network, batch)).double().cpu()
                sums += nll * int(batch.lengths_N.sum())
        move_nll, pen_nll = (sums / int(data.lengths_N.sum())).tolist()
        return {"loss": move_nll + pen_nll, "place": move_nll, "pen": pen_nll}

    def export_spec(self) -> ExportSpec:
        return export.export_spec(self)


def shift_right(moves_BT5: Tensor) -> Tensor:
    """What is read before each move: the one before it, and before the first a lifted pen."""
    start_move = moves_BT5.new_tensor([0, 0, 0, 1, 0]).expand(len(moves_BT5), 1, -1)
    return torch.cat([start_move, moves_BT5[:, :-1]], 1)


def _resolve_network_config(config: object, data: StrokeData) -> Network.Config:
    if not isinstance(config, Network.Config):
        raise RecipeError("the task handwriting needs a network that draws: kind: handwriting")
    symbol_count = len(data.labels)
    if config.symbols not in (None, symbol_count):
        raise RecipeError(
            f"network.symbols is {config.symbols}, but {data.title} has {symbol_count}; leave it "
            "out"
        )
    return config.model_copy(update={"symbols": symbol_count})
