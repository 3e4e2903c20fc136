"""Every setting of the service. Each is an environment variable `DEEPSHELF_<NAME>`."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from limits import RateLimitItem
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from models_store.errors import SignatureError
from models_store.signing.signatures import TrustedKeys, read_trusted_keys, require_cryptography
from service.keys import ApiKey, ApiKeySet, hash_key, parse_keys, parse_rate

__all__ = ["ENV_PREFIX", "Settings", "describe_validation_error"]

ENV_PREFIX = "DEEPSHELF_"
_SECRET_SETTINGS = frozenset({"keys", "admin_key"})
"""What no message may quote."""
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:\d+)?")


def _comma_separated(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(item.strip() for item in value.split(",") if item.strip()) or None


def _parse_pairs(value: object) -> object:
    if not isinstance(value, str):
        return value
    pairs = [item.strip() for item in value.split(",") if item.strip()]
    if any(pair.count("=") != 1 for pair in pairs):
        raise ValueError("write it as task=model,task=model")
    return dict(pair.split("=") for pair in pairs)


def _strip_trailing_slash(value: str) -> str:
    return value.rstrip("/")


def _parse_key_lines(value: object) -> object:
    return parse_keys(value) if isinstance(value, str) else value


def _parse_rate_limit(value: object) -> object:
    return parse_rate(value) if isinstance(value, str) else value


def _parse_admin_key(value: str) -> ApiKey:
    """From the key itself, or from its hash."""
    if value.startswith("sha256:"):
        (key,) = parse_keys(f"admin {value} admin")
        return key
    return ApiKey("admin", hash_key(value), admin=True)


def _parse_origins(value: object) -> object:
    origins = _comma_separated(value) or ()
    for origin in origins if isinstance(origins, tuple) else ():
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise ValueError("an origin is a scheme and a host, such as https://example.org")
    return origins


def _reject_kubernetes_service_link(value: object) -> object:
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
        arbitrary_types_allowed=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for every interface."""

    port: Annotated[
        int, Field(ge=1, le=65535), BeforeValidator(_reject_kubernetes_service_link)
    ] = 8000
    """TCP port to listen on."""

    root_path: Annotated[
        str, Field(pattern=r"^(/[A-Za-z0-9._~-]+)*/?$"), AfterValidator(_strip_trailing_slash)
    ] = ""
    """Path prefix that a proxy in front strips, such as /deepshelf."""

    workers: PositiveInt | None = None
    """Worker processes. Unset: 1, whose threads use all cores. Where a run takes under 1 ms (small
    int8 models), one worker per core answers some 1.4 times as many requests. Each worker loads
    all models."""

    threads: PositiveInt | None = None
    """Threads that decode and compute, in each worker. Unset: the cores that this process may use
    (affinity and cgroup quota), divided by workers."""

    store: Path = Path("models_store")
    """Folder of the published models: <store>/<name>/<version>/."""

    trusted_keys: Path | None = None
    """File of public keys, lines `ssh-ed25519 AAAA… name`. With it, only versions that one of them
    has signed (`ssh-keygen -Y sign`) are served. Read when the service starts. Needs
    deepshelf[sign]. Unset: signatures are not asked for."""

    models: Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(_comma_separated)] = None
    """Serve only these models, comma-separated. Unset: all that are on the shelf."""

    defaults: Annotated[dict[str, str], NoDecode, BeforeValidator(_parse_pairs)] = Field(
        default_factory=dict
    )
    """Model that answers a request that names none: task=model,task=model. A task that is not
    listed is answered by the ready model with the most labels, or that knows colour, then the first
    by name; ensembles come last."""

    precision: Literal["auto", "fp32", "int8"] = "auto"
    """Of the graphs that answer a request that asks for none, where a model has several; auto: the
    better one by what was measured when it was quantised, which its card tells."""

    store_poll_interval_s: Annotated[NonNegativeFloat, Field(allow_inf_nan=False)] = 5.0
    """Seconds between looks at the store for new and vanished versions; 0 never looks again."""

    load_before_listen: bool = False
    """Whether a worker loads the shelf before it listens, rather than meanwhile. One that replaces
    another always does."""

    model_control_dir: Path | None = None
    """Folder in which the workers of one service share what was loaded and unloaded by hand; each
    follows at its next look at the store. Unset: a temporary one where there are several workers,
    else in memory."""

    keys: Annotated[tuple[ApiKey, ...], NoDecode, BeforeValidator(_parse_key_lines)] = ()
    """Keys that may ask, of which one must come with every request, as `Authorization: Bearer KEY`
    or as `X-API-Key: KEY`. Lines that `python -m service.keys NAME` prints, separated by `;`; they
    hold hashes. Neither keys nor keys_file: everybody may ask."""

    keys_file: Path | None = None
    """File with such lines. Looked at every second: a line that is taken away holds no longer."""

    admin_key: SecretStr | None = None
    """Key of whoever may load and unload models, or `sha256:HEX` of it; lines of keys that say
    `admin` may too. Unset: nobody may. A command line can be seen by others: set the variable."""

    key_rate: Annotated[RateLimitItem, BeforeValidator(_parse_rate_limit)] | None = None
    """Requests that a key may make, such as 100/minute, counted over all workers, where its line
    does not say otherwise."""

    key_max_concurrent: PositiveInt | None = None
    """Requests that a key may have under way, in each worker, where its line does not say
    otherwise."""

    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parse_origins)] = ()
    """Origins whose pages may use this service, comma-separated, such as https://example.org; `*`
    for all. Unset: none but its own."""

    docs: bool = True
    """Whether /docs, /redoc and /openapi.json are there."""

    playground: bool = True
    """Whether the page at / is there."""

    metrics: Literal["open", "key", "closed"] = "open"
    """Whether /metrics is there for everybody, for whoever has a key, or not at all."""

    tls_certfile: Path | None = None
    """Certificate chain, PEM. With it and tls_keyfile the service speaks HTTPS alone."""

    tls_keyfile: Path | None = None
    """Private key of the certificate, PEM, without a password."""

    max_body_bytes: PositiveInt = 32 << 20
    """Largest request body, in bytes."""

    max_buffered_body_bytes: PositiveInt = 256 << 20
    """Bytes of all bodies that are held at the same time, in each worker. Whoever goes over it is
    told 503. An eighth is for bodies of up to 256 KiB alone. At least max_body_bytes."""

    max_pixels: Annotated[int, Field(ge=1, le=89_478_485)] = 25_000_000
    """Largest picture, in pixels, judged by its header before anything is decoded. Each thread may
    need up to 23 bytes a pixel while it decodes (WebP with transparency); a JPEG needs 10."""

    max_images: PositiveInt = 16
    """Most pictures in one request."""

    max_prompt_chars: PositiveInt = 4096
    """Longest prompt of a text, in characters."""

    max_text_chars: PositiveInt = 4096
    """Most characters that one request may have written."""

    max_concurrent_generations: PositiveInt = 32
    """Texts that are written at the same time, in each worker; they share every run of a model."""

    queue_size: NonNegativeInt = 256
    """Requests that may wait in each worker, for a thread or, separately, to start generating text.
    A request beyond it gets 503 at once."""

    deadline_s: Annotated[PositiveFloat, Field(allow_inf_nan=False)] = 60.0
    """Seconds from a request's arrival after which it is given up with 504."""

    keep_alive_s: PositiveInt = 15
    """Seconds that an idle connection is kept open."""

    header_timeout_s: Annotated[PositiveFloat, Field(allow_inf_nan=False)] = 10.0
    """Seconds that the head of a request may take; and the rest of a body, after its answer."""

    body_timeout_s: Annotated[PositiveFloat, Field(allow_inf_nan=False)] = 30.0
    """Seconds from a request's arrival in which its body must have come, else 504."""

    max_header_bytes: PositiveInt = 64 << 10
    """Largest head of a request: its line and headers, in bytes."""

    write_timeout_s: Annotated[PositiveFloat, Field(allow_inf_nan=False)] = 30.0
    """Seconds after which a client that takes nothing of its answer is cut off."""

    max_connections: PositiveInt = 1000
    """Connections in each worker. One more is told 503 and closed."""

    graceful_shutdown_s: PositiveInt = 60
    """Seconds that requests under way may take after SIGTERM."""

    shared_dir: Path | None = None
    """Directory in which the workers of one service share the rate limits of keys, so that a limit
    holds for all workers together; each service needs its own. Unset: a temporary one."""

    otlp_endpoint: Annotated[str, Field(pattern=r"^https?://\S+$")] | None = None
    """URL of an OpenTelemetry collector that takes traces over OTLP/HTTP, such as
    http://127.0.0.1:4318/v1/traces. Unset: no traces. Needs deepshelf[otel]."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe event that is logged."""

    log_format: Literal["text", "json"] = "text"
    """One event a line: `text` for people (key=value), `json` for machines."""

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        if (self.tls_certfile is None) != (self.tls_keyfile is None):
            raise ValueError("tls_certfile and tls_keyfile go together; one of them is missing")
        if self.max_buffered_body_bytes < self.max_body_bytes:
            raise ValueError(
                f"max_buffered_body_bytes ({self.max_buffered_body_bytes}) is under max_body_bytes "
                f"({self.max_body_bytes}): the largest body would never be accepted"
            )
        self.load_trusted_keys()
        ring = self.load_api_keys()
        if self.metrics == "key" and not ring.auth_required:
            raise ValueError("metrics=key needs keys; none are set")
        return self

    def load_trusted_keys(self) -> TrustedKeys | None:
        """Whose models are served; None where anybody's are.

        Raises:
            ValueError: the file holds no keys, or cryptography is not installed.
        """
        if self.trusted_keys is None:
            return None
        try:
            require_cryptography()
            return read_trusted_keys(self.trusted_keys)
        except SignatureError as error:
            raise ValueError(f"trusted_keys: {error}") from None

    def load_api_keys(self) -> ApiKeySet:
        """All keys, wherever they are set.

        Raises:
            ValueError: the file cannot be read or is not well formed, or two keys are alike.
        """
        keys = list(self.keys)
        if self.keys_file is not None:
            try:
                keys += parse_keys(self.keys_file.read_text(encoding="utf-8"), self.keys_file)
            except OSError as error:
                raise ValueError(
                    f"keys_file {self.keys_file} cannot be read: {error.strerror}"
                ) from None
            except UnicodeDecodeError:
                raise ValueError(f"keys_file {self.keys_file} is not UTF-8 text") from None
        admin = self.admin_key.get_secret_value() if self.admin_key else ""
        if admin:
            keys.append(_parse_admin_key(admin))
        return ApiKeySet(keys)


def describe_validation_error(error: ValidationError) -> str:
    """All that is wrong with the settings, in one line that names the variables."""
    problems = []
    for problem in error.errors(include_url=False):
        name = ENV_PREFIX + "_".join(str(part) for part in problem["loc"][:1]).upper()
        text = problem["msg"].removeprefix("Value error, ")
        if not problem["loc"]:  # of several settings together
            problems.append(text)
            continue
        received = "…" if problem["loc"][0] in _SECRET_SETTINGS else f"{problem['input']!s:.80}"
        problems.append(f"{name}={received}: {text}")
    return "; ".join(problems)
