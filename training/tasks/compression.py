"""Compression of small images by an autoencoder: mean squared error and rate."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.config.tasks import CompressionConfig
from training.datasets.base import Batch, ImageSplit
from training.datasets.noise import quantize_8bit
from training.datasets.transforms import Transform
from training.errors import RecipeError
from training.metrics.rate_distortion import estimate_bits, psnr_db
from training.networks.autoencoder import Autoencoder
from training.tasks.base import Monitor, Scores, build_task
from training.tasks.single_network import ImageTask


@build_task.register(CompressionConfig)
class Compression(ImageTask):
    """Minimize MSE + rate_weight × bits per pixel.

    Ballé et al. 2017 (arXiv 1611.01704, section 3) weight the distortion instead.
    """

    config: CompressionConfig
    forward_methods = ("reconstruct",)
    monitor = Monitor("mse", higher_is_better=False)

    def setup(self) -> None:
        network, size_HW = self.train_config.network, self.data.size_HW
        side = network.image_side
        if side is None:
            raise RecipeError(f"network {network.kind} is not an autoencoder of images")
        if size_HW != (side, side):
            raise RecipeError(
                f"network.side is {side}, but images of {self.data.title} are {size_HW}"
            )
        super().setup()

    def transforms(self) -> tuple[Transform, ...]:
        return self.config.transforms

    def autoencoder_to_publish(self) -> Autoencoder:
        """Return the network to publish."""
        return _require_autoencoder(self.network_to_publish())

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        images = self.to_floats(batch[0])
        estimate, latents = self.network.reconstruct(images, quantise=self.config.quantise)
        mse = functional.mse_loss(estimate, images)
        rate_B = estimate_bits(latents, noisy=True)
        per_pixel = rate_B.mean() / images[0].numel()
        loss = mse + self.config.rate_weight * per_pixel if self.config.rate_weight else mse
        return {"loss": loss, "mse": mse.detach(), "bytes": rate_B.detach().mean() / 8}

    def measure(self, network: nn.Module, split: ImageSplit) -> Scores:
        """Return mean squared errors, PSNR of 8-bit outputs and estimated bytes of an image.

        `mse` is the error that the recipe minimizes: with rounding, unless `quantise` is off.
        """
        autoencoder = _require_autoencoder(network)
        exact, rounded, ratios, rates = [], [], [], []
        for batch in split.batches(self.eval_batch_size):
            images = self.to_floats(batch.images_NCHW)
            latents = autoencoder.encode(images)
            reconstruction = autoencoder.decode(latents.round())
            exact.append((autoencoder.decode(latents) - images).square().flatten(1).mean(1))
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


def _require_autoencoder(network: nn.Module) -> Autoencoder:
    if not isinstance(network, Autoencoder):
        raise TypeError(f"{type(network).__name__} is not an autoencoder")
    return network
