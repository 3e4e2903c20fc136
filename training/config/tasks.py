"""Options of every task, as a recipe's `task:` holds them. `training.tasks` implements the tasks.

Adding a task: its options here with a line in `TaskConfig`, and its class in `training.tasks`.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from models_store.base import FrozenModel
from training.datasets.camera import CameraNoise
from training.datasets.diff_augment import DiffAugment
from training.datasets.noise import Noise
from training.datasets.photo_folders import ImagePairs
from training.datasets.synthetic_patches import SyntheticPatches
from training.datasets.transforms import Transform
from training.optim.optimizers import Optimizer

_Fraction = Annotated[float, Field(ge=0, le=1)]


class ClassifierConfig(FrozenModel):
    """Options of every classifier, trained from random or from pretrained weights."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    transforms: tuple[Transform, ...] = ()
    alternating_flip: bool = False
    """Mirror every image in every second epoch, half of them in the first (Jordan 2024, arXiv
    2404.00498, section 3.6), so that two epochs show each image both ways."""


class ClassificationConfig(ClassifierConfig):
    kind: Literal["classification"] = "classification"


class HeadConfig(FrozenModel):
    """How the head is trained on frozen features: AdamW with a cosine schedule."""

    epochs: Annotated[int, Field(ge=0)] = 40
    batch_size: PositiveInt = 32
    lr: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.01


class TransferConfig(ClassifierConfig):
    kind: Literal["transfer"] = "transfer"
    head: HeadConfig = HeadConfig()
    head_rate: PositiveFloat = 10.0
    """The head's learning rate in fine-tuning, as a multiple of `optimizer.lr`."""


class DenoisingConfig(FrozenModel):
    kind: Literal["denoising"] = "denoising"
    noises: Annotated[tuple[Noise, ...], Field(min_length=1)]
    objective: Literal["mse", "psnr"] = "mse"
    """`psnr` maximizes the mean PSNR of images, so that an easy image counts as much as a hard one.
    With `mse`, hard images dominate."""


class PhotoDenoisingConfig(FrozenModel):
    """Deviations of noise are in grey levels of 255, as in the literature."""

    kind: Literal["photo-denoising"] = "photo-denoising"
    sigma: tuple[NonNegativeFloat, PositiveFloat] = (0, 55)
    """Bounds of the uniform distribution that each patch's deviation is drawn from."""
    clean_share: _Fraction = 0.04
    """Share of patches without noise, so that the network learns to leave clean images alone."""
    grey_share: _Fraction = 0.5
    """Share of patches turned grey: three equal channels, with equal noise."""
    stored_share: _Fraction = 0.5
    """Share of patches whose noise is clipped to 0–255 and rounded, as in a file. In the literature
    it is not."""
    noise: CameraNoise | None = None
    """Replaces the noise of a share of the patches; the others have Gaussian noise as above."""
    synthetic: SyntheticPatches | None = None
    """Replaces a share of the patches by colours that photographs hardly hold."""
    pairs: ImagePairs | None = None
    """Photographs with real noise, measured together with the test split."""
    weight_floor: PositiveFloat = 2
    """Added to the deviation that the error is divided by."""
    measured: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (15, 25, 50)

    @model_validator(mode="after")
    def _validate_sigma(self) -> Self:
        if self.sigma[0] >= self.sigma[1]:
            raise ValueError(f"sigma must be (lowest, highest), got {self.sigma}")
        return self


class CompressionConfig(FrozenModel):
    kind: Literal["compression"] = "compression"
    rate_weight: NonNegativeFloat = 0.0
    """Squared error (pixels in 0–1) that one bit per pixel costs. 0: the rate is not trained."""
    quantise: bool = True
    """False trains a plain autoencoder with real-valued latents, which cannot be coded."""
    transforms: tuple[Transform, ...] = ()


class PhotoCompressionConfig(FrozenModel):
    kind: Literal["photo-compression"] = "photo-compression"
    lowest: PositiveFloat = 0.0013
    """λ of quality 1."""
    highest: PositiveFloat = 0.2
    """λ of the best quality; the other qualities are spaced evenly between, by ratio."""
    balance: float = 0.4
    """A crop's loss is weighted by λ to minus this power; without it the best qualities would
    dominate."""


class LanguageConfig(FrozenModel):
    kind: Literal["language"] = "language"
    window: PositiveInt = 128
    """Number of characters that the gradient of a step reaches back."""
    forget: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Probability that a lane's state is reset to zero before a step. A served text starts from
    the zero state, which training with a carried state would hardly ever show."""
    shuffle_lines: bool = False
    """Read the lines in a new order in every epoch, for texts whose lines are independent, so that
    their order is not memorized."""
    start: Annotated[str, Field(min_length=1)] = "\n"
    """Text that the service reads before every prompt, so that the prompt starts a new word."""
    answer_after: str = ""
    """Separator of a line's question and answer. With it, the model card states the share of
    held-out lines that are completed correctly."""
    sample: str = ""
    """Prompt of the preview's text."""
    temperature: Annotated[float, Field(gt=0, le=2)] = 0.7
    """Sampling temperature of the preview's text."""


class StrokeAugmentation(FrozenModel):
    """Random changes to training drawings."""

    noise: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Half the side of the square around each training point in which it is moved, in units of the
    box. For points on a grid, half the grid's step; otherwise the narrowest Gaussians win."""
    distortion: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Standard deviation of the random linear map applied to each training drawing."""


class HandwritingConfig(StrokeAugmentation):
    kind: Literal["handwriting"] = "handwriting"
    bias: Annotated[float, Field(ge=0, le=10)] = 1.0
    """Sampling bias of the preview and of the metrics on generated drawings."""


class StrokeClassificationConfig(StrokeAugmentation):
    kind: Literal["strokes"] = "strokes"


class AdversarialConfig(FrozenModel):
    kind: Literal["adversarial"] = "adversarial"
    discriminator_optimizer: Optimizer
    """The recipe's own `optimizer` is the generator's. A faster discriminator keeps up with one
    step for each of the generator's (Heusel et al. 2017, arXiv 1706.08500)."""
    loss: Literal["non-saturating", "hinge"] = "non-saturating"
    """Goodfellow et al. 2014, section 3; Lim and Ye 2017, arXiv 1705.02894."""
    transforms: tuple[Transform, ...] = ()
    """Random changes to the real images. The generator learns to draw them, too."""
    augment: DiffAugment | None = None
    """Random changes of real and generated images, which the generator does not learn."""
    pictures_per_epoch: PositiveInt | None = None
    """Number of real images, drawn anew, between two checkpoints. Default: all of them."""


class ImitationConfig(FrozenModel):
    kind: Literal["imitation"] = "imitation"


TaskConfig = Annotated[
    ClassificationConfig
    | DenoisingConfig
    | PhotoDenoisingConfig
    | TransferConfig
    | CompressionConfig
    | PhotoCompressionConfig
    | LanguageConfig
    | HandwritingConfig
    | AdversarialConfig
    | StrokeClassificationConfig
    | ImitationConfig,
    Field(discriminator="kind"),
]
