"""Networks as they are served: bytes in, results out, normalisation and softmax inside.

Shapes: B batch, H height, W width, C channels, K classes, M members, D latent dimensions of
h × w positions.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from training.networks.autoencoder import Autoencoder

_MIN_PROBABILITY = 1e-30
"""A probability whose logarithm is finite."""


class ClassifierGraph(nn.Module):
    """uint8 (B, H, W, C) → probabilities float32 (B, K), of logits divided by `temperature`."""

    scale: Tensor
    shift: Tensor

    def __init__(
        self, network: nn.Module, mean: list[float], std: list[float], temperature: float = 1.0
    ) -> None:
        super().__init__()
        self.network = network
        self.temperature = temperature
        # (x / 255 - mean) / std as one multiplication and one addition
        deviation = torch.tensor(std).view(1, -1, 1, 1)
        self.register_buffer("scale", 1 / (255 * deviation))
        self.register_buffer("shift", -torch.tensor(mean).view(1, -1, 1, 1) / deviation)

    def forward(self, images_BHWC: Tensor) -> Tensor:
        images_BCHW = images_BHWC.permute(0, 3, 1, 2).float()
        logits_BK: Tensor = self.network(images_BCHW * self.scale + self.shift)
        return (logits_BK if self.temperature == 1 else logits_BK / self.temperature).softmax(1)


class EnsembleGraph(nn.Module):
    """uint8 (B, H, W, C) → mean probabilities (B, K), and each of M classifiers' (B, M, K).

    The mean of calibrated members is underconfident, so it has a `temperature` of its own (Rahaman
    and Thiery 2020, arXiv 2007.08792).
    """

    def __init__(self, members: Sequence[nn.Module], temperature: float = 1.0) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.temperature = temperature

    def forward(self, images_BHWC: Tensor) -> tuple[Tensor, Tensor]:
        members_BMK = torch.stack([member(images_BHWC) for member in self.members], 1)
        mean_BK = members_BMK.mean(1)
        if self.temperature != 1:
            mean_BK = (mean_BK.clamp_min(_MIN_PROBABILITY).log() / self.temperature).softmax(1)
        return mean_BK, members_BMK


class DenoiserGraph(nn.Module):
    """uint8 (B, H, W, C) → uint8, same shape; H and W multiples of what the network needs."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images_BHWC: Tensor) -> Tensor:
        noisy_BCHW = images_BHWC.permute(0, 3, 1, 2).float() / 255
        estimate_BCHW: Tensor = self.network(noisy_BCHW)
        levels = (estimate_BCHW * 255).round().clamp(0, 255)
        return levels.permute(0, 2, 3, 1).to(torch.uint8)


class EncoderGraph(nn.Module):
    """uint8 (B, H, W, C) → latents int16 (B, D, h, w), rounded to the quantiser's steps."""

    scale: Tensor

    def __init__(self, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.encoder = autoencoder.encoder
        self.register_buffer("scale", autoencoder.log_scale.detach().exp())

    def forward(self, images_BHWC: Tensor) -> Tensor:
        images_BCHW = images_BHWC.permute(0, 3, 1, 2).float() / 255
        latents_BDhw: Tensor = self.encoder(images_BCHW) * self.scale
        # The conversion of larger values is undefined; no trained encoder comes near them.
        return latents_BDhw.round().clamp(-32768, 32767).to(torch.int16)


class DecoderGraph(nn.Module):
    """Latents int16 (B, D, h, w) → uint8 (B, H, W, C)."""

    step: Tensor

    def __init__(self, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.decoder = autoencoder.decoder
        self.register_buffer("step", (-autoencoder.log_scale.detach()).exp())

    def forward(self, latents_BDhw: Tensor) -> Tensor:
        images_BCHW: Tensor = self.decoder(latents_BDhw.float() * self.step).sigmoid()
        return (images_BCHW * 255).round().permute(0, 2, 3, 1).to(torch.uint8)
