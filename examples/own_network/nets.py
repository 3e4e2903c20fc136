"""A network of your own: any nn.Module that maps images (B, C, H, W) to logits (B, K)."""

from torch import Tensor, nn


class ShapeNet(nn.Module):
    """Two convolutions, the mean over all positions, and a linear layer."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(2 * width, classes)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return logits (B, K)."""
        logits: Tensor = self.classifier(self.features(images_BCHW).mean((2, 3)))
        return logits
