"""Compression of photographs: rate + λ · distortion, for many λ at once."""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor, nn

from training.config.tasks import PhotoCompressionConfig
from training.datasets.base import epoch_generator
from training.datasets.image_patches import PatchData, PatchSplit
from training.errors import RecipeError
from training.networks.photo_codec import PhotoCodec
from training.tasks.base import DatasetTask, Monitor, Scores, Split, build_task
from training.tasks.single_network import SingleNetwork

_INIT_CROPS = 64
"""Number of crops that the network is initialised from."""


@build_task.register(PhotoCompressionConfig)
class PhotoCompression(DatasetTask[PatchSplit], SingleNetwork):
    """Minimize bits per pixel + λ · MSE (RGB, in grey levels²), with a random λ for each crop.

    One network serves all qualities, with gains for each (Cui et al. 2021, arXiv 2003.02188).
    """

    config: PhotoCompressionConfig
    data: PatchData
    monitor = Monitor("loss", higher_is_better=False)

    def setup(self) -> None:
        config, network = self.config, self.train_config.network
        if not isinstance(network, PhotoCodec.Config):
            raise RecipeError(
                f"the task photo-compression needs the network photo-codec, got {network.kind}"
            )
        exponents = torch.linspace(0, 1, network.qualities)
        self.lambdas_Q = config.lowest * (config.highest / config.lowest) ** exponents

    def build_network(self) -> nn.Module:
        network = _require_codec(super().build_network())
        # At a high rate, a step of √(6 / (λ ln 2)) costs as much as it saves; λ per coefficient.
        network.init_quantizers((26 / self.lambdas_Q).sqrt())
        return network

    def init_images(self) -> Tensor:
        generator = Generator().manual_seed(self.train_config.seed)
        return next(iter(self.data.batches(_INIT_CROPS, generator))).float() / 255

    def batches(self, epoch: int) -> Iterator[Tensor]:
        generator = epoch_generator(self.train_config.seed, epoch)
        return self.data.batches(self.train_config.batch_size, generator)

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
        """Return the loss, and rate and PSNR at each quality, on whole images.

        The noise that replaces rounding in the rate is seeded.
        """
        network = self.network_to_publish().eval()
        images = self.split(split).images
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
        """Return the network to publish."""
        return _require_codec(self.network_to_publish())


def _require_codec(network: nn.Module) -> PhotoCodec:
    if not isinstance(network, PhotoCodec):
        raise TypeError(f"{type(network).__name__} is not a PhotoCodec")
    return network
