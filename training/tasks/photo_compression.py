"""Photographs as few bytes: rate + λ · distortion, for many λ at once."""

from typing import TYPE_CHECKING, Literal

import torch
from lightning_fabric import Fabric
from pydantic import PositiveFloat
from torch import Generator, Tensor, nn

from models_store.base import FrozenModel
from training.datasets.batches import epoch_seed
from training.datasets.scenes import CropBatches, SceneData
from training.networks.photo_codec import PhotoCodec
from training.publish.spec import ExportSpec
from training.publish.tasks import photo_compression as export
from training.tasks.base import Monitor, Scores, Split
from training.tasks.single_network import SingleNetwork

if TYPE_CHECKING:
    from training.config.recipe import Recipe

__all__ = ["PhotoCompression"]

_INIT_CROPS = 64
"""Crops by whose coefficients the network is scaled before training."""


class PhotoCompression(SingleNetwork):
    """Bits per pixel + λ · MSE (RGB, in grey levels²), with λ drawn anew for each crop.

    One network for all qualities, by gains of their own (Cui et al. 2021, arXiv 2003.02188).
    """

    monitor = Monitor("loss", higher_is_better=False)

    class Config(FrozenModel):
        kind: Literal["photo-compression"] = "photo-compression"
        lowest: PositiveFloat = 0.0013
        """λ of quality 1."""
        highest: PositiveFloat = 0.2
        """λ of the best quality; the others lie evenly between, by ratio."""
        balance: float = 0.4
        """A crop's loss counts λ to minus this power: else the best qualities drown the others."""

        def build(self, recipe: "Recipe", data: SceneData, fabric: Fabric) -> "PhotoCompression":
            return PhotoCompression(self, recipe, data, fabric)

    def __init__(self, config: Config, recipe: "Recipe", data: SceneData, fabric: Fabric) -> None:
        self.config = config
        self.data = data
        self.recipe = recipe
        qualities: int = recipe.network.qualities  # type: ignore[union-attr]  # checked by Recipe
        exponents = torch.linspace(0, 1, qualities)
        self.lambdas_Q = config.lowest * (config.highest / config.lowest) ** exponents
        super().__init__(recipe, len(self.batches(0)), fabric)

    def build_network(self) -> nn.Module:
        network = super().build_network()
        if not isinstance(network, PhotoCodec):
            raise TypeError(f"{type(network).__name__} is no codec of photographs")
        generator = Generator().manual_seed(self.recipe.seed)
        crops = next(iter(CropBatches(self.data, _INIT_CROPS, generator)))
        # At a high rate, a step of √(6 / (λ ln 2)) costs as much as it saves; λ per coefficient.
        network.init_from_data(crops.float() / 255, (26 / self.lambdas_Q).sqrt())
        return network

    def batches(self, epoch: int) -> CropBatches:
        generator = Generator().manual_seed(epoch_seed(self.recipe.seed, epoch))
        return CropBatches(self.data, self.recipe.batch_size, generator)

    def has_split(self, split: Split) -> bool:
        return split != "validation"

    def loss(self, batch: Tensor) -> dict[str, Tensor]:
        images = batch.float() / 255
        quality_B = torch.randint(len(self.lambdas_Q), (len(images),))
        return self._rate_distortion_loss(self.network, images, quality_B)

    def _rate_distortion_loss(
        self, network: nn.Module, images: Tensor, quality_B: Tensor
    ) -> dict[str, Tensor]:
        output = network(images, quality_B)
        pixels = images.shape[2] * images.shape[3]
        rate_B = output.bits_B / pixels
        mse_B = (output.estimate - images).square().flatten(1).mean(1) * 255**2
        lambda_B = self.lambdas_Q[quality_B]
        weight_B = (lambda_B / self.lambdas_Q.log().mean().exp()) ** -self.config.balance
        loss = (weight_B * (rate_B + lambda_B * mse_B)).mean()
        return {
            "loss": loss,
            "bpp": rate_B.detach().mean(),
            "side": output.side_bits_B.mean() / pixels,
            "psnr_db": (10 * (255**2 / mse_B.detach()).log10()).mean(),
        }

    def evaluate(self, split: Split) -> Scores:
        """Of whole pictures: the loss, and rate and PSNR at each quality, as training counts them.

        The noise that stands for rounding in the rate is seeded.
        """
        network = self.network_to_publish().eval()
        images = self.data.test if split == "test" else self.data.train
        scores: Scores = {}
        losses = []
        with torch.inference_mode(), torch.random.fork_rng():
            torch.manual_seed(0)
            for quality in range(len(self.lambdas_Q)):
                rows = [self._evaluate_image(network, image, quality) for image in images]
                mean = {key: sum(row[key] for row in rows) / len(rows) for key in rows[0]}
                scores[f"bpp/{quality + 1}"] = mean["bpp"]
                scores[f"psnr_db/{quality + 1}"] = mean["psnr_db"]
                losses.append(mean["loss"])
        return {"loss": sum(losses) / len(losses), **scores}

    def _evaluate_image(self, network: nn.Module, image: Tensor, quality: int) -> dict[str, float]:
        height, width = (size // 8 * 8 for size in image.shape[1:])
        images = image[None, :, :height, :width].float() / 255
        scores = self._rate_distortion_loss(network, images, torch.tensor([quality]))
        return {name: float(score) for name, score in scores.items()}

    def codec_to_publish(self) -> PhotoCodec:
        """The network to publish."""
        network = self.network_to_publish()
        if not isinstance(network, PhotoCodec):
            raise TypeError(f"{type(network).__name__} is no codec of photographs")
        return network

    def export_spec(self) -> ExportSpec:
        return export.export_spec(self)
