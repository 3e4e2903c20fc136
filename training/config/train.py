"""`TrainConfig`: the part of a recipe that a task needs to train its networks."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from models_store.base import FrozenModel
from training.datasets.data_dir import CachedPath
from training.networks import NetworkConfig
from training.optim.initializers import Initializer
from training.optim.optimizers import Optimizer
from training.optim.schedules import Schedule

ResolvedPrecision = Literal["32-true", "bf16-mixed", "16-mixed"]
"""Number formats, by Fabric's names."""

PrecisionOption = Literal["auto"] | ResolvedPrecision


class EarlyStopping(FrozenModel):
    """Stop when the monitored score has not improved for `patience` evaluations; keep the best."""

    patience: PositiveInt


class TrainConfig(FrozenModel):
    """The network and how it is trained, independent of the data and of the task."""

    network: NetworkConfig
    optimizer: Optimizer
    schedule: Schedule
    initializer: Initializer
    start_from: CachedPath | None = None
    """File of weights (`deepshelf train save`) of the same network or a smaller one, loaded
    before training starts."""
    epochs: PositiveInt
    batch_size: PositiveInt
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    precision: PrecisionOption = "32-true"
    """`auto` means bf16-mixed where the processor multiplies bfloat16, which halves the time, and
    32-true elsewhere. A run records the format that it used."""
    channels_last: bool = False
    clip_norm: PositiveFloat | None = None
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = None
    early_stop: EarlyStopping | None = None
    evaluate_every: PositiveInt = 1
    """Epochs between evaluations; the last epoch is always evaluated."""

    @property
    def publishes_ema(self) -> bool:
        """Return True if the EMA weights are evaluated and published, not the last step's."""
        return self.ema_decay is not None
