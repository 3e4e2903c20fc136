"""Blind denoising of photographs: one network for every strength of Gaussian noise."""

from typing import Annotated

import torch
from lightning_fabric import Fabric
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.nn import functional

from training.config.tasks import PhotoDenoisingConfig
from training.config.train import TrainConfig
from training.datasets.batches import epoch_seed
from training.datasets.image_patches import PatchBatches, PatchData, PatchSplit
from training.datasets.noise import add_gaussian_noise, is_grey, quantize_8bit, to_grey
from training.errors import RecipeError
from training.metrics.psnr import psnr_db
from training.tasks.base import DatasetTask, Monitor, Scores, Split
from training.tasks.single_network import SingleNetwork

__all__ = ["PhotoDenoising", "denoise_image"]

_MAX_PIXEL = 255
_Fraction = Annotated[float, Field(ge=0, le=1)]


class PhotoDenoising(DatasetTask[PatchSplit], SingleNetwork):
    """Minimize the squared error to the clean photograph, divided by the noise's deviation.

    The remaining error grows roughly with the deviation (BM3D on Set12: 32.4 dB at 15, 26.8 dB at
    50). Divided by it, weak noise counts as much as strong noise; the plain squared error would be
    dominated by the strongest noise.
    """

    data: PatchData
    monitor = Monitor("psnr_db", higher_is_better=True)

    def __init__(
        self,
        config: PhotoDenoisingConfig,
        train_config: TrainConfig,
        data: PatchData,
        fabric: Fabric,
    ) -> None:
        self.config, self.train_config, self.data = config, train_config, data
        self.multiple = train_config.network.multiple_of
        if data.patch % self.multiple:
            raise RecipeError(
                f"data.patch is {data.patch}, but the network needs sides that are multiples of "
                f"{self.multiple}"
            )
        channels = train_config.network.image_channels
        if channels not in (None, data.channels):
            raise RecipeError(
                f"an album holds images of {data.channels} channels, and the network takes "
                f"{channels}: set network.channels to {data.channels}"
            )
        super().__init__(train_config, len(self.batches(0)), fabric)

    def init_images(self) -> Tensor:
        return next(iter(self.batches(0))).float() / _MAX_PIXEL

    def batches(self, epoch: int) -> PatchBatches:
        generator = Generator().manual_seed(epoch_seed(self.train_config.seed, epoch))
        return self.data.patch_batches(self.train_config.batch_size, generator)

    def loss(self, batch: Tensor) -> dict[str, Tensor]:
        clean_BCHW = self.to_floats(batch)
        grey_B = self._random_mask(len(clean_BCHW), self.config.grey_share)
        clean_BCHW = torch.where(grey_B, to_grey(clean_BCHW), clean_BCHW)
        min_sigma, max_sigma = self.config.sigma
        sigma_B = min_sigma + (max_sigma - min_sigma) * torch.rand_like(grey_B, dtype=torch.float32)
        sigma_B = sigma_B.masked_fill(
            self._random_mask(len(clean_BCHW), self.config.clean_share), 0
        )
        noise_BCHW = torch.randn_like(clean_BCHW)
        noise_BCHW = torch.where(grey_B, noise_BCHW[:, :1], noise_BCHW)
        noisy_BCHW = clean_BCHW + sigma_B / _MAX_PIXEL * noise_BCHW
        stored_B = self._random_mask(len(clean_BCHW), self.config.stored_share)
        noisy_BCHW = torch.where(stored_B, quantize_8bit(noisy_BCHW), noisy_BCHW)
        estimate = self.network(self._to_memory_format(noisy_BCHW)).float()
        weight_B = _MAX_PIXEL / (sigma_B + self.config.weight_floor)
        loss = ((estimate - clean_BCHW).square() * weight_B).mean()
        return {"loss": loss, "psnr_db": psnr_db(estimate.detach(), clean_BCHW).mean()}

    def _random_mask(self, count: int, probability: float) -> Tensor:
        """Return booleans (B, 1, 1, 1), each true with the given probability."""
        return torch.rand(count, 1, 1, 1, device=self.fabric.device) < probability

    def evaluate(self, split: Split) -> Scores:
        network = self.network_to_publish().eval()
        with torch.inference_mode(), self.fabric.autocast():
            return self.measure(network, self.split(split))

    def measure(self, network: nn.Module, split: PatchSplit) -> Scores:
        """Return the mean PSNR of noisy and denoised images at each deviation, and of clean ones.

        Noise is seeded and unclipped and estimates are rounded to 8 bits, as in the literature.
        """
        scores: Scores = {}
        for sigma in self.config.measured:
            noisy_psnrs, denoised_psnrs = [], []
            generator = Generator().manual_seed(0)
            for image in split.images:
                clean = self.to_floats(image[None])
                noisy_BCHW = add_gaussian_noise(clean, sigma, generator)
                noisy_psnrs.append(psnr_db(noisy_BCHW, clean))
                denoised_psnrs.append(
                    psnr_db(denoise_image(network, noisy_BCHW, self.multiple), clean)
                )
            scores[f"psnr_db_in/sigma-{sigma:g}"] = float(torch.cat(noisy_psnrs).mean())
            scores[f"psnr_db/sigma-{sigma:g}"] = float(torch.cat(denoised_psnrs).mean())
        outputs = [scores[f"psnr_db/sigma-{sigma:g}"] for sigma in self.config.measured]
        cleans = [self.to_floats(image[None]) for image in split.images]
        clean_psnrs = [
            psnr_db(denoise_image(network, clean, self.multiple), clean) for clean in cleans
        ]
        scores["psnr_db/clean"] = float(torch.cat(clean_psnrs).mean())
        return {"psnr_db": sum(outputs) / len(outputs), **scores}

    def to_floats(self, images_BCHW: Tensor) -> Tensor:
        """Map uint8 to floats in 0–1, on the device."""
        return images_BCHW.to(self.fabric.device).float() / _MAX_PIXEL

    def _to_memory_format(self, images_BCHW: Tensor) -> Tensor:
        if self.train_config.channels_last:
            return images_BCHW.contiguous(memory_format=torch.channels_last)
        return images_BCHW.contiguous()


def denoise_image(network: nn.Module, noisy_BCHW: Tensor, multiple: int) -> Tensor:
    """Return the estimate, rounded to 8 bits; for gray images, the mean of its channels."""
    height, width = noisy_BCHW.shape[2:]
    edges = (0, -width % multiple, 0, -height % multiple)
    estimate: Tensor = network(functional.pad(noisy_BCHW, edges, mode="replicate")).float()
    estimate = estimate[..., :height, :width]
    if is_grey(noisy_BCHW):
        estimate = estimate.mean(1, keepdim=True).expand_as(noisy_BCHW)
    return quantize_8bit(estimate)
