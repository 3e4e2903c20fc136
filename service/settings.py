"""Every setting of the service. Each is an environment variable `DEEPSHELF_<NAME>`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

__all__ = ["ENV_PREFIX", "Settings", "explain"]

ENV_PREFIX = "DEEPSHELF_"


def _comma_separated(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(item.strip() for item in value.split(",") if item.strip()) or None


def _pairs(value: object) -> object:
    if not isinstance(value, str):
        return value
    pairs = [item.strip() for item in value.split(",") if item.strip()]
    if any(pair.count("=") != 1 for pair in pairs):
        raise ValueError("write it as task=model,task=model")
    return dict(pair.split("=") for pair in pairs)


def _no_service_link(value: object) -> object:
    # Kubernetes gives every pod `<SERVICE>_PORT=tcp://address:port` for each service beside it: a
    # service called deepshelf overwrites our own setting of that name.
    if isinstance(value, str) and value.startswith("tcp://"):
        raise ValueError(
            "this value is Kubernetes' link to a service of the same name; "
            "set enableServiceLinks: false in the pod"
        )
    return value


class Settings(BaseSettings):
    """How this service runs. Immutable; read once, when the process starts."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
    )

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for every interface."""

    port: Annotated[int, Field(ge=1, le=65535), BeforeValidator(_no_service_link)] = 8000
    """TCP port to listen on."""

    root_path: Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._~-]+)*$")] = ""
    """Path prefix that a proxy in front strips, such as /deepshelf."""

    workers: PositiveInt | None = None
    """Processes. Unset: as many as cores that this process may use (affinity and cgroup quota)."""

    threads: PositiveInt | None = None
    """Threads that decode and compute, in each worker. Unset: cores divided by workers."""

    store: Path = Path("models_store")
    """Folder of the published models: <store>/<name>/<version>/."""

    models: Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(_comma_separated)] = None
    """Serve only these models, comma-separated. Unset: all that are on the shelf."""

    defaults: Annotated[dict[str, str], NoDecode, BeforeValidator(_pairs)] = Field(
        default_factory=dict
    )
    """Model that answers a request that names none: task=model,task=model. A task that is not
    listed is answered by the ready model with the most labels, then the first by name; ensembles
    come last."""

    reload_s: Annotated[NonNegativeFloat, Field(allow_inf_nan=False)] = 5.0
    """Seconds between looks at the store for new and vanished versions; 0 never looks again."""

    admin_key: SecretStr | None = None
    """Key of whoever may load and unload models, sent as `Authorization: Bearer KEY` or as
    `X-API-Key: KEY`. Unset: nobody may. A command line can be seen by others: set the variable."""

    orders: Path | None = None
    """Folder in which the workers of one service share what was loaded and unloaded by hand; each
    follows at its next look at the store. Unset: a temporary one where there are several workers,
    else in memory."""

    max_body_bytes: PositiveInt = 32 << 20
    """Largest request body, in bytes."""

    max_pixels: Annotated[int, Field(ge=1, le=89_478_485)] = 25_000_000
    """Largest picture, in pixels, judged by its header before anything is decoded. Each thread may
    need up to 23 bytes a pixel while it decodes (WebP with transparency); a JPEG needs 10."""

    max_images: PositiveInt = 16
    """Most pictures in one request."""

    max_prompt_chars: PositiveInt = 4096
    """Longest prompt of a text, in characters."""

    max_text_chars: PositiveInt = 4096
    """Most characters that one request may have written."""

    text_streams: PositiveInt = 32
    """Texts that are written at the same time, in each worker; they share every run of a model."""

    queue_size: NonNegativeInt = 32
    """Requests that may wait, for a thread or for a place among the texts, in each worker. One more
    is told 503 at once."""

    deadline_s: Annotated[PositiveFloat, Field(allow_inf_nan=False)] = 30.0
    """Seconds from a request's arrival after which it is given up with 504."""

    keep_alive_s: PositiveInt = 15
    """Seconds that an idle connection is kept open."""

    graceful_shutdown_s: PositiveInt = 30
    """Seconds that requests under way may take after SIGTERM."""

    metrics_dir: Path | None = None
    """Folder in which the workers of one service show each other their counts, so that any of them
    answers /metrics for all; each service needs its own. Unset: a temporary one, named after the
    process that started the workers."""

    otlp_endpoint: Annotated[str, Field(pattern=r"^https?://\S+$")] | None = None
    """URL of an OpenTelemetry collector that takes traces over OTLP/HTTP, such as
    http://127.0.0.1:4318/v1/traces. Unset: no traces. Needs deepshelf[otel]."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe event that is logged."""

    log_format: Literal["text", "json"] = "text"
    """One event a line: `text` for people (key=value), `json` for machines."""


def explain(error: ValidationError) -> str:
    """All that is wrong with the settings, in one line that names the variables."""
    problems = []
    for problem in error.errors(include_url=False):
        name = ENV_PREFIX + "_".join(str(part) for part in problem["loc"][:1]).upper()
        text = problem["msg"].removeprefix("Value error, ")
        problems.append(f"{name}={problem['input']!s:.80}: {text}")
    return "; ".join(problems)
