"""`GET /v1/models`: what is in the store."""

from pydantic import ConfigDict

from models_store.manifest import Manifest
from service.runtime.catalog import VersionState
from service.schemas.base import RequestParams, ResponseModel, VersionNumber, example
from service.schemas.card_example import CARD


class VersionParams(RequestParams):
    """Selects a version of the model."""

    version: VersionNumber | None = None
    """Default: the version that is served, else the highest."""


class VersionSummary(ResponseModel):
    """One version and its state."""

    version: int
    state: VersionState
    reason: str | None = None
    """Why it is not ready; for a ready version, why changed files were not loaded."""
    providers: list[str] | None = None
    """Execution providers that compute the graphs of a ready version in this process."""


class ModelSummary(ResponseModel):
    """One name in the store."""

    name: str
    task: str | None
    """Null if no version has a readable manifest."""
    default: bool
    """True if this model handles requests of its task that name no model."""
    versions: list[VersionSummary]
    """Versions, ascending; a request that names none gets the highest that is ready."""


class ModelsResponse(ResponseModel):
    """All models in the store, by name."""

    model_config = example(
        {
            "models": [
                {
                    "name": "resnet-cifar10",
                    "task": "classification",
                    "default": True,
                    "versions": [
                        {"version": 1, "state": "ready", "providers": ["cpu"]},
                        {
                            "version": 2,
                            "state": "failed",
                            "reason": "model.onnx is not the published file: its SHA-256 differs",
                        },
                    ],
                }
            ]
        }
    )

    models: list[ModelSummary]


class ModelCard(Manifest):
    """The manifest, which is the model's card, and its state."""

    model_config = ConfigDict(use_attribute_docstrings=True, json_schema_extra={"examples": [CARD]})

    state: VersionState
    reason: str | None = None
    """Why it is not ready."""
    providers: dict[str, str] | None = None
    """Execution provider of each graph of a ready version in this process, by role."""
