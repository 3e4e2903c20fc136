"""Clean pictures from noisy ones: mean squared error, PSNR."""

from typing import TYPE_CHECKING, Annotated, Literal

import torch
from lightning_fabric import Fabric
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.nn import functional

from models_store.base import FrozenModel
from training.datasets.base import ImageData, ImageSplit
from training.datasets.batches import Batch, Batches
from training.errors import RecipeError
from training.publish.spec import ExportSpec
from training.publish.tasks import denoising as export
from training.tasks.base import Monitor, Scores
from training.tasks.image_task import ImageTask
from training.tasks.noise import Noise, psnr_db, quantize_8bit

if TYPE_CHECKING:
    from training.config.recipe import Recipe

__all__ = ["Denoising"]


class Denoising(ImageTask):
    """Mean squared error to the clean picture; each training picture gets one kind of noise."""

    monitor = Monitor("psnr_db", higher_is_better=True)

    class Config(FrozenModel):
        kind: Literal["denoising"] = "denoising"
        noises: Annotated[tuple[Noise, ...], Field(min_length=1)]

        def build(self, recipe: "Recipe", data: ImageData, fabric: Fabric) -> "Denoising":
            return Denoising(self, recipe, data, fabric)

    def __init__(self, config: Config, recipe: "Recipe", data: ImageData, fabric: Fabric) -> None:
        self.config = config
        multiple = getattr(recipe.network, "multiple_of", 1)
        if any(side % multiple for side in data.size_HW):
            raise RecipeError(
                f"pictures of {data.title} are {data.size_HW}, but the network needs sides that "
                f"are multiples of {multiple}"
            )
        super().__init__(recipe, data, fabric)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        clean_BCHW = self.to_floats(batch[0])
        noise_index_B = torch.randint(len(self.config.noises), (len(clean_BCHW),))
        noisy_BCHW = torch.empty_like(clean_BCHW)
        for index, noise in enumerate(self.config.noises):
            selected = (noise_index_B == index).to(clean_BCHW.device)
            noisy_BCHW[selected] = noise(clean_BCHW[selected])
        estimate = self.network(noisy_BCHW).float()
        loss = functional.mse_loss(estimate, clean_BCHW)
        return {"loss": loss, "psnr_db": psnr_db(estimate.detach(), clean_BCHW).mean()}

    def measure(self, network: nn.Module, split: ImageSplit) -> Scores:
        """Mean PSNR over pictures, in and out, for each noise and over all of them.

        The noise is seeded, so every call and every run measures the same noisy pictures, and
        estimates are rounded to 8 bits, because that is what is served.
        """
        scores: Scores = {}
        for noise in self.config.noises:
            generator = Generator(self.fabric.device).manual_seed(0)
            before, after = [], []
            for images, _ in Batches(split, self.eval_batch_size):
                clean = self.to_floats(images)
                noisy = quantize_8bit(noise(clean, generator))
                estimate = quantize_8bit(network(noisy).float())
                before.append(psnr_db(noisy, clean))
                after.append(psnr_db(estimate, clean))
            scores[f"psnr_db_in/{noise.name}"] = float(torch.cat(before).mean())
            scores[f"psnr_db/{noise.name}"] = float(torch.cat(after).mean())
        outputs = [scores[f"psnr_db/{noise.name}"] for noise in self.config.noises]
        return {"psnr_db": sum(outputs) / len(outputs), **scores}

    def export_spec(self) -> ExportSpec:
        return export.export_spec(self)
