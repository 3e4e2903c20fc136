"""Handwriting generation: the likelihood of every pen move, given the moves before it.

Shapes: B batch, T time.
"""

import torch
from torch import Tensor, nn

from training.config.tasks import HandwritingConfig
from training.datasets.strokes import StrokeSplit, encode_moves
from training.errors import RecipeError
from training.networks.handwriting import Handwriting as Network
from training.networks.handwriting import mixture_nll
from training.tasks.base import Monitor, Scores, Split, build_task
from training.tasks.strokes import StrokeTask

_EVAL_BATCH = 1000


@build_task.register(HandwritingConfig)
class Handwriting(StrokeTask):
    """Minimize nats per move, of position and pen (Graves 2013, arXiv 1308.0850, equation 26)."""

    config: HandwritingConfig
    monitor = Monitor("loss", higher_is_better=False)

    def setup(self) -> None:
        super().setup()
        network = self.train_config.network
        if not isinstance(network, Network.Config):
            raise RecipeError("the task handwriting needs the network handwriting")
        symbols = len(self.data.labels)
        if network.symbols not in (None, symbols):
            raise RecipeError(
                f"network.symbols is {network.symbols}, but {self.data.title} has {symbols}; "
                "leave it out"
            )
        self.update_network_config(symbols=symbols)

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
        """Return mean nats per move: of position and pen together, and of each."""
        network, data = self.network_to_publish().eval(), self.split(split)
        sums = torch.zeros(2, dtype=torch.float64)
        with torch.inference_mode(), self.fabric.autocast():
            for batch in data.batches(_EVAL_BATCH):
                nll = torch.stack(self._mean_nll(network, batch)).double().cpu()
                sums += nll * int(batch.lengths_N.sum())
        move_nll, pen_nll = (sums / int(data.lengths_N.sum())).tolist()
        return {"loss": move_nll + pen_nll, "place": move_nll, "pen": pen_nll}


def shift_right(moves_BT5: Tensor) -> Tensor:
    """Return the input before each move: the previous move; before the first, a lifted pen."""
    start_move = moves_BT5.new_tensor([0, 0, 0, 1, 0]).expand(len(moves_BT5), 1, -1)
    return torch.cat([start_move, moves_BT5[:, :-1]], 1)
