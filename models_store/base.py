"""The base of every configuration and contract model."""

from pydantic import BaseModel, ConfigDict


class FrozenModel(BaseModel):
    """Immutable model that rejects unknown keys, so that a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
