"""Pictures as few bits: mean squared error and rate, traded against each other."""

from typing import TYPE_CHECKING, Literal

import torch
from lightning_fabric import Fabric
from pydantic import NonNegativeFloat
from torch import Tensor, nn
from torch.nn import functional

from models_store.base import FrozenModel
from training.datasets.base import ImageData, ImageSplit
from training.datasets.batches import Batch, Batches
from training.datasets.transforms import Transform
from training.errors import RecipeError
from training.metrics.rate_estimate import estimate_bits
from training.networks.autoencoder import Autoencoder
from training.publish.spec import ExportSpec
from training.publish.tasks import compression as export
from training.tasks.base import Monitor, Scores
from training.tasks.image_task import ImageTask
from training.tasks.noise import psnr_db, quantize_8bit

if TYPE_CHECKING:
    from training.config.recipe import Recipe

__all__ = ["Compression"]


class Compression(ImageTask):
    """MSE + rate_weight × bits per pixel.

    Ballé et al. 2017 (arXiv 1611.01704, section 3), where the weight stands at the distortion.
    """

    monitor = Monitor("mse", higher_is_better=False)

    class Config(FrozenModel):
        kind: Literal["compression"] = "compression"
        rate_weight: NonNegativeFloat = 0.0
        """What a bit per pixel may cost in squared error (pixels in 0–1). 0: it costs nothing."""
        quantise: bool = True
        """False trains a plain autoencoder: latents are real numbers, and nothing is coded."""
        transforms: tuple[Transform, ...] = ()

        def build(self, recipe: "Recipe", data: ImageData, fabric: Fabric) -> "Compression":
            return Compression(self, recipe, data, fabric)

    def __init__(self, config: Config, recipe: "Recipe", data: ImageData, fabric: Fabric) -> None:
        self.config = config
        side = getattr(recipe.network, "side", None)
        if side is None:
            raise RecipeError(f"{recipe.network.kind} has no latents that could be coded")
        if data.size_HW != (side, side):
            raise RecipeError(
                f"network.side is {side}, but pictures of {data.title} are {data.size_HW}"
            )
        super().__init__(recipe, data, fabric)
        self.network.mark_forward_method("reconstruct")

    def transforms(self) -> tuple[Transform, ...]:
        return self.config.transforms

    def autoencoder_to_publish(self) -> Autoencoder:
        """The network to publish."""
        network = self.network_to_publish()
        if not isinstance(network, Autoencoder):
            raise TypeError(f"{type(network).__name__} is no autoencoder")
        return network

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        images = self.to_floats(batch[0])
        estimate, latents = self.network.reconstruct(images, quantise=self.config.quantise)
        mse = functional.mse_loss(estimate, images)
        rate_B = estimate_bits(latents, noisy=True)
        per_pixel = rate_B.mean() / images[0].numel()
        loss = mse + self.config.rate_weight * per_pixel if self.config.rate_weight else mse
        return {"loss": loss, "mse": mse.detach(), "bytes": rate_B.detach().mean() / 8}

    def measure(self, network: nn.Module, split: ImageSplit) -> Scores:
        """Mean squared error with and without rounding, PSNR of 8-bit answers, estimated bytes.

        `mse` is what the recipe trains for: with rounding, unless `quantise` is off.
        """
        if not isinstance(network, Autoencoder):
            raise TypeError(f"{type(network).__name__} is no autoencoder")
        exact, rounded, ratios, rates = [], [], [], []
        for batch, _ in Batches(split, self.eval_batch_size):
            images = self.to_floats(batch)
            latents = network.encode(images)
            reconstruction = network.decode(latents.round())
            exact.append((network.decode(latents) - images).square().flatten(1).mean(1))
            rounded.append((reconstruction - images).square().flatten(1).mean(1))
            ratios.append(psnr_db(quantize_8bit(reconstruction), images))
            rates.append(estimate_bits(latents, noisy=False))
        mse_float, mse_coded = float(torch.cat(exact).mean()), float(torch.cat(rounded).mean())
        return {
            "mse": mse_coded if self.config.quantise else mse_float,
            "mse_float": mse_float,
            "mse_coded": mse_coded,
            "psnr_db": float(torch.cat(ratios).mean()),
            "bytes": float(torch.cat(rates).mean()) / 8,
        }

    def export_spec(self) -> ExportSpec:
        return export.export_spec(self)
