"""Where the pen goes next: likelihood of every move of a drawing, given those before it.

Shapes: B batch, T time.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from lightning_fabric import Fabric
from pydantic import Field
from torch import Generator, Tensor, nn

from models_store.frozen import Frozen
from training.datasets.batches import epoch_seed
from training.datasets.strokes import StrokeData, StrokeSplit, encode
from training.errors import DataError, RecipeError
from training.export import handwriting as export
from training.export.publication import Publication
from training.networks.handwriting import Handwriting as Network
from training.networks.handwriting import mixture_nats
from training.tasks.base import Monitor, Scores, Split
from training.tasks.single import SingleNetwork

if TYPE_CHECKING:
    from training.recipe import Recipe

__all__ = ["Handwriting", "distorted", "read_before"]

_EVAL_BATCH = 1000


class Handwriting(SingleNetwork):
    """Nats a move, of place and pen together (Graves 2013, arXiv 1308.0850, equation 26)."""

    monitor = Monitor("loss", higher_is_better=False)

    class Config(Frozen):
        kind: Literal["handwriting"] = "handwriting"
        noise: Annotated[float, Field(ge=0, lt=1)] = 0.0
        """Half the side of the square around each training point in which it is moved, in units of
        the box. On a grid, the grid's half: else the narrowest Gaussians win."""
        distortion: Annotated[float, Field(ge=0, lt=1)] = 0.0
        """Deviation of the random linear map that each training drawing goes through."""
        bias: Annotated[float, Field(ge=0, le=10)] = 1.0
        """Of the preview and of the figures on what it draws."""

        def build(self, recipe: "Recipe", data: Any, fabric: Fabric) -> "Handwriting":
            if not isinstance(data, StrokeData):
                raise RecipeError(
                    f"{data.title} has no pen strokes: the task handwriting needs them"
                )
            return Handwriting(self, recipe, data, fabric)

    def __init__(self, config: Config, recipe: "Recipe", data: StrokeData, fabric: Fabric) -> None:
        self.config, self.data = config, data
        self._sized = _sized(recipe.network, data)
        size = min(recipe.batch_size, len(data.train))
        super().__init__(recipe, len(data.train) // size, fabric)

    def build_network(self) -> Network:
        network = self._sized.build()
        self.recipe.initializer.apply(network)
        return network

    def batches(self, epoch: int) -> Iterator[StrokeSplit]:
        generator = Generator().manual_seed(epoch_seed(self.recipe.seed, epoch))
        for batch in self.data.train.batches(self.recipe.batch_size, generator):
            yield distorted(batch, self.config.noise, self.config.distortion, generator)

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

    def split(self, name: Split) -> StrokeSplit:
        """Raises DataError when the data set has no such split."""
        split: StrokeSplit | None = getattr(self.data, name)
        if split is None:
            raise DataError(f"{self.data.title} has no {name} split here: set data.validation_size")
        return split

    def has(self, split: Split) -> bool:
        return getattr(self.data, split) is not None

    def publication(self) -> Publication:
        return export.publication(self)


def read_before(moves_BT5: Tensor) -> Tensor:
    """What is read before each move: the one before it, and before the first a lifted pen."""
    nothing = moves_BT5.new_tensor([0, 0, 0, 1, 0]).expand(len(moves_BT5), 1, -1)
    return torch.cat([nothing, moves_BT5[:, :-1]], 1)


def distorted(
    batch: StrokeSplit, noise: float, distortion: float, generator: Generator
) -> StrokeSplit:
    """Every drawing through a linear map near the identity, and every point moved a little."""
    moves_BT3 = batch.moves_NT3.clone()
    size, time = moves_BT3.shape[:2]
    if distortion:
        maps_B22 = distortion * torch.randn((size, 2, 2), generator=generator)
        moves_BT3[..., :2] = moves_BT3[..., :2] @ (torch.eye(2) + maps_B22)
    if noise:
        points_BT2 = (2 * torch.rand((size, time, 2), generator=generator) - 1) * noise
        moves_BT3[..., :2] += torch.diff(points_BT2, dim=1, prepend=torch.zeros(size, 1, 2))
    return StrokeSplit(moves_BT3, batch.lengths_N, batch.labels_N)


def _sized(config: object, data: StrokeData) -> Network.Config:
    if not isinstance(config, Network.Config):
        raise RecipeError("the task handwriting needs a network that draws: kind: handwriting")
    there = len(data.labels)
    if config.symbols not in (None, there):
        raise RecipeError(
            f"network.symbols is {config.symbols}, but {data.title} has {there}; leave it out"
        )
    return config.model_copy(update={"symbols": there})
