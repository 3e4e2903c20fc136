"""Denoising of small images: mean squared error, PSNR."""

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from training.config.tasks import DenoisingConfig
from training.datasets.base import Batch, ImageSplit
from training.datasets.noise import quantize_8bit
from training.errors import RecipeError
from training.metrics.rate_distortion import psnr_db
from training.tasks.base import Monitor, Scores, build_task
from training.tasks.single_network import ImageTask


@build_task.register(DenoisingConfig)
class Denoising(ImageTask):
    """Minimize the squared error to the clean image, or maximize the PSNR.

    Each training image gets one kind of noise.
    """

    config: DenoisingConfig
    monitor = Monitor("psnr_db", higher_is_better=True)

    def setup(self) -> None:
        multiple = self.train_config.network.multiple_of
        if any(side % multiple for side in self.data.size_HW):
            raise RecipeError(
                f"images of {self.data.title} are {self.data.size_HW}, but the network needs "
                f"sides that are multiples of {multiple}"
            )
        super().setup()

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        clean_BCHW = self.to_floats(batch[0])
        weights = torch.tensor([noise.weight for noise in self.config.noises])
        noise_index_B = torch.multinomial(weights, len(clean_BCHW), replacement=True)
        noisy_BCHW = torch.empty_like(clean_BCHW)
        for index, noise in enumerate(self.config.noises):
            selected = (noise_index_B == index).to(clean_BCHW.device)
            noisy_BCHW[selected] = noise(clean_BCHW[selected])
        estimate = self.network(noisy_BCHW).float()
        mean_psnr_db = psnr_db(estimate, clean_BCHW).mean()
        maximize_psnr = self.config.objective == "psnr"
        loss = -mean_psnr_db if maximize_psnr else functional.mse_loss(estimate, clean_BCHW)
        return {"loss": loss, "psnr_db": mean_psnr_db.detach()}

    def measure(self, network: nn.Module, split: ImageSplit) -> Scores:
        """Return the mean PSNR of noisy and denoised images, for each noise and over all.

        The noise is seeded, so that every call and every run measures the same noisy images.
        Estimates are rounded to 8 bits, as they are when served.
        """
        scores: Scores = {}
        for noise in self.config.noises:
            generator = Generator(self.fabric.device).manual_seed(0)
            before, after = [], []
            for batch in split.batches(self.eval_batch_size):
                clean = self.to_floats(batch.images_NCHW)
                noisy = quantize_8bit(noise(clean, generator))
                estimate = quantize_8bit(network(noisy).float())
                before.append(psnr_db(noisy, clean))
                after.append(psnr_db(estimate, clean))
            scores[f"psnr_db_in/{noise.name}"] = float(torch.cat(before).mean())
            scores[f"psnr_db/{noise.name}"] = float(torch.cat(after).mean())
        outputs = [scores[f"psnr_db/{noise.name}"] for noise in self.config.noises]
        return {"psnr_db": sum(outputs) / len(outputs), **scores}
