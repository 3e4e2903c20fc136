"""Adversarial training of a generator and a discriminator of images.

The two alternate, as in algorithm 1 of Goodfellow et al. 2014 (arXiv 1406.2661): a step of the
discriminator on as many real as generated images, then a step of the generator. Both steps use the
same generated images, as in DCGAN's published code. This saves a pass through the generator and,
with a projected discriminator, a pass through the frozen features.

Shapes: B batch, C channels, H height, W width, Z latent.
"""

import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from PIL import Image
from torch import Generator as Random
from torch import Tensor, nn
from torch.nn import functional
from torchvision.utils import make_grid

from training.config.tasks import AdversarialConfig
from training.config.train import TrainConfig
from training.datasets.base import Batch, ImageData, ImageSplit, epoch_generator, training_batches
from training.errors import RecipeError
from training.networks.gan import GAN
from training.networks.projected import ProjectedDiscriminator
from training.optim.ema import ema_model
from training.pretrained.mobilenet import load_weights
from training.tasks.base import DatasetTask, Monitor, Scores, Split, build_task

_Projected = tuple[Tensor, ...]
"""Inputs of the discriminator's trained layers: images, or feature maps of them."""

_EVAL_BATCH = 250
_GRID_IMAGES = 64
"""Number of images in the grid that is saved after every epoch, always of the same latents."""


@build_task.register(AdversarialConfig)
class Adversarial(DatasetTask[ImageSplit]):
    """Train with the non-saturating or the hinge loss; publish the averaged generator."""

    data: ImageData
    monitor = Monitor("loss", higher_is_better=False)

    def __init__(
        self, config: AdversarialConfig, train_config: TrainConfig, data: ImageData, fabric: Fabric
    ) -> None:
        self.config, self.train_config, self.data, self.fabric = config, train_config, data, fabric
        self.network_config = _require_gan_config(train_config.network, data)
        size = min(train_config.batch_size, len(data.train))
        image_count = min(config.pictures_per_epoch or len(data.train), len(data.train))
        self.steps_per_epoch = max(1, image_count // size)
        self._build_networks(fabric)

    def _build_networks(self, fabric: Fabric) -> None:
        train_config, layout = self.train_config, torch.contiguous_format
        if train_config.channels_last:
            layout = torch.channels_last
        network = self.network_config.build()
        train_config.initializer.apply(network)
        self._load_pretrained_features(network)
        network = network.to(memory_format=layout)
        optimizer = train_config.optimizer.build(network.generator)
        discriminator_optimizer = self.config.discriminator_optimizer.build(network.discriminator)
        steps = (self.steps_per_epoch, train_config.epochs)
        self.schedules = tuple(
            train_config.schedule.build(item, *steps)
            for item in (optimizer, discriminator_optimizer)
        )
        self.generator, self.optimizer = fabric.setup(network.generator, optimizer)
        self.discriminator, self.discriminator_optimizer = fabric.setup(
            network.discriminator, discriminator_optimizer
        )
        for method in ("project", "logits"):
            self.discriminator.mark_forward_method(method)
        decay = train_config.ema_decay
        self.ema_network = None if decay is None else ema_model(network.generator, decay)

    def _load_pretrained_features(self, network: GAN) -> None:
        config = self.network_config.discriminator
        if not isinstance(config, ProjectedDiscriminator.Config):
            return
        if not isinstance(network.discriminator, ProjectedDiscriminator):
            raise TypeError(type(network.discriminator))
        mobilenet = config.mobilenet().build()
        load_weights(mobilenet, config)
        network.discriminator.projection.load_mobilenet(mobilenet)

    def batches(self, epoch: int) -> Iterator[Batch]:
        generator = epoch_generator(self.train_config.seed, epoch)
        batches = training_batches(
            self.data.train, self.train_config.batch_size, generator, self.config.transforms
        )
        return islice(batches, self.steps_per_epoch)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        self.generator.train()
        self.discriminator.train()
        real_BCHW = self.to_floats(batch[0])
        generated_BCHW = self.generator(self._latents(len(real_BCHW)))
        with torch.no_grad():
            real = self._project(real_BCHW)
        generated = self._project(generated_BCHW)
        scores = self._step_discriminator(real, tuple(each.detach() for each in generated))
        scores |= self._step_generator(generated)
        for schedule in self.schedules:
            schedule.step()
        if self.ema_network is not None:
            self.ema_network.update_parameters(self.generator.module)
        return scores

    def _project(self, images_BCHW: Tensor) -> _Projected:
        if self.config.augment is not None:
            images_BCHW = self.config.augment(images_BCHW)
        views: _Projected = self.discriminator.project(images_BCHW)
        return views

    def _step_discriminator(self, real: _Projected, generated: _Projected) -> dict[str, Tensor]:
        self.discriminator.requires_grad_(True)
        # One pass for both: without batch norm, no image's logit depends on another image.
        both = [torch.cat(pair) for pair in zip(real, generated, strict=True)]
        real_B, generated_B = self.discriminator.logits(*both).float().chunk(2)
        loss = self._discriminator_loss(real_B, generated_B)
        self.discriminator_optimizer.zero_grad()
        self.fabric.backward(loss)
        self.discriminator_optimizer.step()
        return {
            "discriminator_loss": loss.detach(),
            "real_logit": real_B.detach().mean(),
            "drawn_logit": generated_B.detach().mean(),
        }

    def _step_generator(self, generated: _Projected) -> dict[str, Tensor]:
        # The gradient passes through the discriminator; its own weights need none.
        self.discriminator.requires_grad_(False)
        loss = self._generator_loss(self.discriminator.logits(*generated).float())
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        if self.train_config.clip_norm is not None:
            self.fabric.clip_gradients(
                self.generator, self.optimizer, max_norm=self.train_config.clip_norm
            )
        self.optimizer.step()
        return {"loss": loss.detach()}

    def _discriminator_loss(self, real_B: Tensor, generated_B: Tensor) -> Tensor:
        if self.config.loss == "hinge":
            return (functional.relu(1 - real_B) + functional.relu(1 + generated_B)).mean()
        return (functional.softplus(-real_B) + functional.softplus(generated_B)).mean()

    def _generator_loss(self, generated_B: Tensor) -> Tensor:
        if self.config.loss == "hinge":
            return -generated_B.mean()
        return functional.softplus(-generated_B).mean()

    def _latents(self, count: int, random: Random | None = None) -> Tensor:
        latents_BZ = torch.randn(count, self.network_config.latent, generator=random)
        return latents_BZ.to(self.fabric.device)

    def evaluate(self, split: Split) -> Scores:
        """Return the losses on a split's images and as many generated images.

        They show whether training is in balance. `overfitting`, between 0 and 1, shows how far the
        discriminator has memorized its training images (r_v of Karras et al. 2020, arXiv
        2006.06676, equation 1). For the quality of the images see `training.metrics.generative`.
        """
        held_out = self.split(split)
        count = min(len(held_out), len(self.data.train), 1000)
        generated_N = self.discriminator_logits(self.generate_images(count, seed=0))
        real_N = self.discriminator_logits(held_out.images_NCHW[:count])
        train_N = self.discriminator_logits(self.data.train.images_NCHW[:count])
        gap = float(train_N.mean() - generated_N.mean())
        return {
            "loss": float(self._generator_loss(generated_N)),
            "discriminator_loss": float(self._discriminator_loss(real_N, generated_N)),
            "overfitting": float(train_N.mean() - real_N.mean()) / gap if gap else 0.0,
        }

    def discriminator_logits(self, images_NCHW: Tensor) -> Tensor:
        """Return the discriminator's logits (N, …) of uint8 images, without augmentation."""
        discriminator = self.discriminator.eval()
        with torch.inference_mode(), self.fabric.autocast():
            parts = [
                discriminator(self.to_floats(p)) for p in torch.split(images_NCHW, _EVAL_BATCH)
            ]
        return torch.cat(parts).float().cpu()

    def generate_images(self, count: int, seed: int) -> Tensor:
        """Return uint8 images (N, C, H, W) of the generator that would be published."""
        return self.generate_from(self._latents(count, Random().manual_seed(seed)))

    def generate_from(self, latents_NZ: Tensor) -> Tensor:
        """Return uint8 images (N, C, H, W) of latents (N, Z)."""
        generator = self.network_to_publish().eval()
        latents_NZ = latents_NZ.to(self.fabric.device)
        with torch.inference_mode(), self.fabric.autocast():
            parts = [
                to_uint8(generator(part)).cpu() for part in torch.split(latents_NZ, _EVAL_BATCH)
            ]
        return torch.cat(parts)

    def save_samples(self, folder: Path, epoch: int) -> None:
        """Save a grid of generated images, of the same latents after every epoch."""
        draw_grid(
            self.generate_images(_GRID_IMAGES, seed=0), folder / "samples" / f"{epoch:04}.png"
        )

    def learning_rate(self) -> float:
        return float(self.optimizer.param_groups[0]["lr"])

    def checkpoint_state(self) -> dict[str, Any]:
        generator_schedule, discriminator_schedule = self.schedules
        state = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "optimizer": self.optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
            "schedule": generator_schedule,
            "discriminator_schedule": discriminator_schedule,
        }
        return state if self.ema_network is None else {**state, "average": self.ema_network}

    def network_to_publish(self) -> nn.Module:
        """Return the generator to publish: the averaged one, unless the recipe selects the last."""
        average = self.ema_network if self.train_config.publishes_ema else None
        network: nn.Module = self.generator.module if average is None else average.module
        return network

    def to_floats(self, images_BCHW: Tensor) -> Tensor:
        """Map bytes to floats in -1 … 1, on the device and in the recipe's memory format."""
        floats = images_BCHW.to(self.fabric.device).float() / 127.5 - 1
        if self.train_config.channels_last:
            return floats.contiguous(memory_format=torch.channels_last)
        return floats


def to_uint8(images: Tensor) -> Tensor:
    """Map floats in -1 … 1 to uint8, with rounding."""
    return ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def _require_gan_config(config: object, data: ImageData) -> GAN.Config:
    if not isinstance(config, GAN.Config):
        raise RecipeError("the task adversarial needs the network gan")
    expected_CHW, actual_CHW = (
        (config.channels, config.size, config.size),
        (data.channels, *data.size_HW),
    )
    if expected_CHW != actual_CHW:
        raise RecipeError(
            f"the generator makes images of shape {expected_CHW} (C, H, W), but those of "
            f"{data.title} "
            f"are {actual_CHW}: set network.channels, data.size, or the number of "
            "network.generator and "
            "network.discriminator widths, each of which doubles the size from 4"
        )
    return config


def draw_grid(images_NCHW: Tensor, path: Path, columns: int | None = None, scale: int = 2) -> None:
    """Write uint8 images row by row as one PNG; without `columns`, as square as possible."""
    columns = columns or math.ceil(math.sqrt(len(images_NCHW)))
    grid_CHW = make_grid(images_NCHW, nrow=columns, padding=1, pad_value=255)
    pixels = grid_CHW.permute(1, 2, 0).to(torch.uint8).numpy()
    image = Image.fromarray(pixels)
    path.parent.mkdir(parents=True, exist_ok=True)
    size = (image.width * scale, image.height * scale)
    image.resize(size, Image.Resampling.BICUBIC).save(path)
