"""Clean photographs from noisy ones, blind: one network for every strength of Gaussian noise."""

from typing import TYPE_CHECKING, Annotated, Literal, Self

import torch
from lightning_fabric import Fabric
from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator
from torch import Generator, Tensor, nn
from torch.nn import functional

from models_store.base import FrozenModel
from training.datasets.batches import epoch_seed
from training.datasets.image_patches import PatchBatches, PatchData, PatchSplit
from training.errors import DataError, RecipeError
from training.networks.photo_denoiser import PhotoDenoiser
from training.publish.spec import ExportSpec
from training.publish.tasks import photo_denoising as export
from training.tasks.base import Monitor, Scores, Split
from training.tasks.noise import add_gaussian_noise, is_grey, psnr_db, quantize_8bit, to_grey
from training.tasks.single_network import SingleNetwork

if TYPE_CHECKING:
    from training.config.recipe import Recipe

__all__ = ["PhotoDenoising", "denoise_image"]

_MAX_PIXEL = 255
_Fraction = Annotated[float, Field(ge=0, le=1)]


class PhotoDenoising(SingleNetwork):
    """Squared error to the clean photograph, divided by the noise's deviation.

    The error that is left grows about as the deviation does (BM3D on Set12: 32.4 dB at 15, 26.8 dB
    at 50). Divided by it, weak noise counts as much as strong noise; plain squared error would
    learn from the strongest alone.
    """

    monitor = Monitor("psnr_db", higher_is_better=True)

    class Config(FrozenModel):
        """Deviations are in grey levels, of 255, as in the literature."""

        kind: Literal["photo-denoising"] = "photo-denoising"
        sigma: tuple[NonNegativeFloat, PositiveFloat] = (0, 55)
        """Each patch's deviation is drawn evenly between these."""
        clean_share: _Fraction = 0.04
        """Of patches without noise: what is clean shall be left alone."""
        grey_share: _Fraction = 0.5
        """Of patches turned into grey: three equal channels, with equal noise."""
        stored_share: _Fraction = 0.5
        """Of patches whose noise is clipped to 0–255 and rounded, as in a file. The literature's
        is not."""
        weight_floor: PositiveFloat = 2
        """Added to the deviation that the error is divided by."""
        measured: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (15, 25, 50)

        @model_validator(mode="after")
        def _validate_sigma(self) -> Self:
            if self.sigma[0] >= self.sigma[1]:
                raise ValueError(f"sigma {self.sigma} must be (least, largest)")
            return self

        def build(self, recipe: "Recipe", data: PatchData, fabric: Fabric) -> "PhotoDenoising":
            return PhotoDenoising(self, recipe, data, fabric)

    def __init__(self, config: Config, recipe: "Recipe", data: PatchData, fabric: Fabric) -> None:
        self.config, self.recipe, self.data = config, recipe, data
        self.multiple = int(getattr(recipe.network, "multiple_of", 1))
        if data.patch % self.multiple:
            raise RecipeError(
                f"data.patch is {data.patch}, but the network needs sides that are multiples of "
                f"{self.multiple}"
            )
        if getattr(recipe.network, "channels", data.channels) != data.channels:
            raise RecipeError("an album holds pictures of 3 channels: set network.channels to 3")
        super().__init__(recipe, len(self.batches(0)), fabric)

    def build_network(self) -> nn.Module:
        network = super().build_network()
        if isinstance(network, PhotoDenoiser):
            network.init_as_identity()
        return network

    def batches(self, epoch: int) -> PatchBatches:
        generator = Generator().manual_seed(epoch_seed(self.recipe.seed, epoch))
        return self.data.patch_batches(self.recipe.batch_size, generator)

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
        """Booleans (B, 1, 1, 1), each true with probability `probability`."""
        return torch.rand(count, 1, 1, 1, device=self.fabric.device) < probability

    def evaluate(self, split: Split) -> Scores:
        network = self.network_to_publish().eval()
        with torch.inference_mode(), self.fabric.autocast():
            return self.measure(network, self.split(split))

    def measure(self, network: nn.Module, split: PatchSplit) -> Scores:
        """Mean PSNR over pictures, in and out, at each deviation; and of clean pictures, out.

        Noise is seeded and unclipped, as in the literature; estimates are rounded to 8 bits, as
        there, because a file holds no more.
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

    def split(self, name: Split) -> PatchSplit:
        """Raises DataError when the data set has no such split."""
        split: PatchSplit | None = getattr(self.data, name)
        if split is None:
            raise DataError(f"{self.data.title} has no {name} split here: set data.validation_size")
        return split

    def has_split(self, split: Split) -> bool:
        return getattr(self.data, split) is not None

    def to_floats(self, images_BCHW: Tensor) -> Tensor:
        """uint8 → floats in 0–1 on the device."""
        return images_BCHW.to(self.fabric.device).float() / _MAX_PIXEL

    def _to_memory_format(self, images_BCHW: Tensor) -> Tensor:
        if self.recipe.channels_last:
            return images_BCHW.contiguous(memory_format=torch.channels_last)
        return images_BCHW.contiguous()

    def export_spec(self) -> ExportSpec:
        return export.export_spec(self)


def denoise_image(network: nn.Module, noisy_BCHW: Tensor, multiple: int) -> Tensor:
    """The network's estimate, rounded to 8 bits; of grey pictures, the mean of its channels."""
    height, width = noisy_BCHW.shape[2:]
    edges = (0, -width % multiple, 0, -height % multiple)
    estimate: Tensor = network(functional.pad(noisy_BCHW, edges, mode="replicate")).float()
    estimate = estimate[..., :height, :width]
    if is_grey(noisy_BCHW):
        estimate = estimate.mean(1, keepdim=True).expand_as(noisy_BCHW)
    return quantize_8bit(estimate)
