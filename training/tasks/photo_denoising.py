"""Blind denoising of photographs: one network for Gaussian noise and a camera's."""

from collections.abc import Iterator, Sequence

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from training.config.tasks import PhotoDenoisingConfig
from training.datasets.base import epoch_generator
from training.datasets.camera import CameraNoise
from training.datasets.image_patches import PatchData, PatchSplit
from training.datasets.noise import add_gaussian_noise, is_gray, quantize_8bit, to_gray
from training.datasets.photo_folders import ImagePairs
from training.errors import RecipeError
from training.metrics.rate_distortion import psnr_db
from training.tasks.base import DatasetTask, Monitor, Scores, Split, build_task
from training.tasks.single_network import SingleNetwork

_MAX_PIXEL = 255


@build_task.register(PhotoDenoisingConfig)
class PhotoDenoising(DatasetTask[PatchSplit], SingleNetwork):
    """Minimize the squared error to the clean photograph, divided by the deviation of the noise.

    The remaining error grows roughly with the deviation (BM3D on Set12: 32.4 dB at 15, 26.8 dB at
    50). Divided by it, weak noise counts as much as strong noise; the plain squared error would be
    dominated by the strongest noise.
    """

    config: PhotoDenoisingConfig
    data: PatchData
    monitor = Monitor("psnr_db", higher_is_better=True)

    def setup(self) -> None:
        data, network = self.data, self.train_config.network
        self.multiple = network.multiple_of
        if data.patch % self.multiple:
            raise RecipeError(
                f"data.patch is {data.patch}, but the network needs sides that are multiples of "
                f"{self.multiple}"
            )
        if network.image_channels not in (None, data.channels):
            raise RecipeError(
                f"an album holds images of {data.channels} channels, and the network takes "
                f"{network.image_channels}: set network.channels to {data.channels}"
            )

    def init_images(self) -> Tensor:
        return next(iter(self.batches(0))).float() / _MAX_PIXEL

    def batches(self, epoch: int) -> Iterator[Tensor]:
        generator = epoch_generator(self.train_config.seed, epoch)
        return self.data.batches(self.train_config.batch_size, generator)

    def loss(self, batch: Tensor) -> dict[str, Tensor]:
        noisy_BCHW, clean_BCHW = self.add_noise(self.to_floats(batch))
        estimate = self.network(self._to_memory_format(noisy_BCHW)).float()
        variance_B = (noisy_BCHW - clean_BCHW).square().mean((1, 2, 3), keepdim=True)
        weight_B = _MAX_PIXEL / (variance_B.sqrt() * _MAX_PIXEL + self.config.weight_floor)
        loss = ((estimate - clean_BCHW).square() * weight_B).mean()
        return {"loss": loss, "psnr_db": psnr_db(estimate.detach(), clean_BCHW).mean()}

    def add_noise(self, clean_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Return a batch with noise of the kinds that the recipe mixes, and its targets."""
        if self.config.synthetic is None:
            return self._add_noise_kinds(clean_BCHW)
        clean_BCHW, noiseless_B = self.config.synthetic(clean_BCHW)
        noisy_BCHW, target_BCHW = self._add_noise_kinds(clean_BCHW)
        for images_BCHW in (noisy_BCHW, target_BCHW):
            images_BCHW[noiseless_B] = clean_BCHW[noiseless_B]
        return noisy_BCHW, target_BCHW

    def _add_noise_kinds(self, clean_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        noisy_BCHW, clean_BCHW = self._add_gaussian_noise(clean_BCHW)
        noisy_BCHW, clean_BCHW = noisy_BCHW.clone(), clean_BCHW.clone()
        camera = self.config.noise
        if camera is None:
            return noisy_BCHW, clean_BCHW
        size = clean_BCHW.shape[-1]
        for index, draw in enumerate(torch.rand(len(clean_BCHW)).tolist()):
            if draw < camera.share:
                noisy_BCHW[index], clean_BCHW[index] = camera(clean_BCHW[index].cpu(), size)
            elif draw < camera.share + camera.jpeg_share:
                noisy_BCHW[index] = camera.compress(clean_BCHW[index].cpu())
        return noisy_BCHW, clean_BCHW

    def _add_gaussian_noise(self, clean_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        gray_B = self._random_mask(len(clean_BCHW), self.config.grey_share)
        clean_BCHW = torch.where(gray_B, to_gray(clean_BCHW), clean_BCHW)
        min_sigma, max_sigma = self.config.sigma
        sigma_B = min_sigma + (max_sigma - min_sigma) * torch.rand_like(gray_B, dtype=torch.float32)
        sigma_B = sigma_B.masked_fill(
            self._random_mask(len(clean_BCHW), self.config.clean_share), 0
        )
        noise_BCHW = torch.randn_like(clean_BCHW)
        noise_BCHW = torch.where(gray_B, noise_BCHW[:, :1], noise_BCHW)
        noisy_BCHW = clean_BCHW + sigma_B / _MAX_PIXEL * noise_BCHW
        stored_B = self._random_mask(len(clean_BCHW), self.config.stored_share)
        return torch.where(stored_B, quantize_8bit(noisy_BCHW), noisy_BCHW), clean_BCHW

    def _random_mask(self, count: int, probability: float) -> Tensor:
        """Return booleans (B, 1, 1, 1), each true with the given probability."""
        return torch.rand(count, 1, 1, 1, device=self.fabric.device) < probability

    def evaluate(self, split: Split) -> Scores:
        """Measure in float32, in which the published graph computes, whatever it trained in."""
        network = self.network_to_publish().eval()
        with torch.inference_mode():
            scores = self.measure(network, self.split(split))
            if split == "test" and self.config.pairs is not None:
                scores |= self._measure_pairs(network, self.config.pairs)
        return scores

    def measure(self, network: nn.Module, split: PatchSplit) -> Scores:
        """Return the mean PSNR before and after, by deviation, of clean images and of a camera's.

        Gaussian noise is seeded and unclipped and estimates are rounded to 8 bits, as in the
        literature. The camera, if the recipe has one, takes a seeded shot of each image.
        """
        cleans = [self.to_floats(image[None]) for image in split.images]
        scores: Scores = {}
        for sigma in self.config.measured:
            generator = Generator().manual_seed(0)
            noisy = [add_gaussian_noise(clean, sigma, generator) for clean in cleans]
            scores |= self._psnrs(network, f"sigma-{sigma:g}", noisy, cleans)
        outputs = [f"sigma-{sigma:g}" for sigma in self.config.measured]
        scores |= self._psnrs(network, "clean", cleans, cleans)
        if self.config.noise is not None:
            scores |= self._psnrs(network, "camera", *self._seeded_shots(self.config.noise, cleans))
            outputs.append("camera")
        return {"psnr_db": sum(scores[f"psnr_db/{x}"] for x in outputs) / len(outputs), **scores}

    def _seeded_shots(
        self, camera: CameraNoise, cleans: Sequence[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        generator = Generator().manual_seed(0)
        shots = [camera(clean[0].cpu(), min(clean.shape[2:]), generator) for clean in cleans]
        device = self.fabric.device
        return [shot[None].to(device) for shot, _ in shots], [x[None].to(device) for _, x in shots]

    def _measure_pairs(self, network: nn.Module, pairs: ImagePairs) -> Scores:
        loaded = [[self.to_floats(image[None]) for image in pair] for pair in pairs.load()]
        noisy, clean = zip(*loaded, strict=True)
        return self._psnrs(network, "pairs", noisy, clean)

    def _psnrs(
        self, network: nn.Module, name: str, noisy: Sequence[Tensor], clean: Sequence[Tensor]
    ) -> Scores:
        """Return the mean PSNR over images (1, C, H, W), before the network and behind it."""
        before = [psnr_db(image, target) for image, target in zip(noisy, clean, strict=True)]
        after = [
            psnr_db(denoise_image(network, image, self.multiple), target)
            for image, target in zip(noisy, clean, strict=True)
        ]
        return {
            f"psnr_db_in/{name}": float(torch.cat(before).mean()),
            f"psnr_db/{name}": float(torch.cat(after).mean()),
        }

    def to_floats(self, images_BCHW: Tensor) -> Tensor:
        """Map uint8 to floats in 0–1, on the device."""
        return images_BCHW.to(self.fabric.device).float() / _MAX_PIXEL

    def _to_memory_format(self, images_BCHW: Tensor) -> Tensor:
        if self.train_config.channels_last:
            return images_BCHW.contiguous(memory_format=torch.channels_last)
        return images_BCHW.contiguous()


def denoise_image(network: nn.Module, noisy_BCHW: Tensor, multiple: int) -> Tensor:
    """Return the estimate, rounded to 8 bits; for grey images, the mean of its channels."""
    height, width = noisy_BCHW.shape[2:]
    edges = (0, -width % multiple, 0, -height % multiple)
    estimate: Tensor = network(functional.pad(noisy_BCHW, edges, mode="replicate")).float()
    estimate = estimate[..., :height, :width]
    if is_gray(noisy_BCHW):
        estimate = estimate.mean(1, keepdim=True).expand_as(noisy_BCHW)
    return quantize_8bit(estimate)
