"""Every setting of the service. Each is an environment variable `DEEPSHELF_<NAME>`."""

from collections.abc import Callable
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
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from models_store.batching import Batching, parse_batching
from models_store.errors import SignatureError
from models_store.signing.signatures import TrustedKeys, read_trusted_keys, require_cryptography
from service.keys import ApiKey, ApiKeySet, parse_admin_key, parse_keys, parse_rate, read_keys_file
from service.setting_formats import (
    parse_names,
    parse_origins,
    parse_pairs,
    parse_providers,
    reject_kubernetes_service_link,
)

ENV_PREFIX = "DEEPSHELF_"
SECRET_SETTINGS = frozenset({"keys", "admin_key", "game_secret"})
"""Settings whose values no message may quote."""


def _from_text(parse: Callable[[str], object]) -> BeforeValidator:
    """Parse text with `parse`, which raises ValueError; leave other values unchanged."""
    return BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value)


class Settings(BaseSettings):
    """The settings of one service. Immutable; read once, when the process starts."""

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

    port: Annotated[int, Field(ge=1, le=65535), _from_text(reject_kubernetes_service_link)] = 8000
    """TCP port to listen on."""

    root_path: Annotated[
        str,
        Field(pattern=r"^(/[A-Za-z0-9._~-]+)*/?$"),
        AfterValidator(lambda path: path.rstrip("/")),
    ] = ""
    """Path prefix that a proxy in front strips, such as /deepshelf."""

    workers: PositiveInt | None = None
    """Worker processes. Unset: 1, whose threads use all cores. Where a run takes under 1 ms (small
    int8 models), one worker per core handles some 1.4 times as many requests. Each worker loads
    all models."""

    threads: PositiveInt | None = None
    """Threads that decode and compute, in each worker. Unset: the cores that this process may use
    (affinity and cgroup quota), divided by workers."""

    store: Path = Path("models_store")
    """Folder of the published models: <store>/<name>/<version>/."""

    trusted_keys: Path | None = None
    """File of public keys, lines `ssh-ed25519 AAAA… name`. With it, only versions that one of them
    has signed (`ssh-keygen -Y sign`) are served. Read when the service starts. Needs
    deepshelf[sign]. Unset: no signature is required."""

    models: Annotated[tuple[str, ...] | None, NoDecode, _from_text(parse_names)] = None
    """Serve only these models, comma-separated. Unset: all models of the store."""

    defaults: Annotated[dict[str, str], NoDecode, _from_text(parse_pairs)] = Field(
        default_factory=dict
    )
    """Model for requests that name none: task=model,task=model. For a task that is not listed, the
    ready model with the most labels, or one for colour images, then the first by name; ensembles
    come last."""

    precision: Literal["auto", "fp32", "int8"] = "auto"
    """Precision for requests that name none, if a model has several. auto: the better one by the
    measurements made when it was quantised, as its card shows."""

    providers: Annotated[dict[str, dict[str, str]], NoDecode, _from_text(parse_providers)] = Field(
        default_factory=lambda: parse_providers("cpu")
    )
    """Execution providers of onnxruntime, comma-separated, in order of preference: cpu, cuda,
    tensorrt, openvino, xnnpack, coreml, directml, migraphx. Options of one follow its name, as in
    cuda:device_id=1;gpu_mem_limit=2147483648,cpu. Each graph runs on the first provider on which
    its golden cases replay."""

    batching: Annotated[dict[str, Batching], NoDecode, _from_text(parse_batching)] = Field(
        default_factory=dict
    )
    """Dynamic batching by model, comma-separated: model=off, model=ROWS or model=ROWS:WAIT_MS, such
    as iris=32:5; without a name, for all models. WAIT_MS bounds how long a batch that could start
    takes in further waiting requests; default 2. Unset: as was measured when each model was
    published, see its card."""

    store_poll_interval_s: Annotated[NonNegativeFloat, Field(allow_inf_nan=False)] = 5.0
    """Seconds between scans of the store for new and removed versions. 0: scan only at start."""

    load_before_listen: bool = False
    """Load all models before listening, as a worker that replaces another always does."""

    model_control_dir: Path | None = None
    """Directory in which the workers of one service share which models were loaded and unloaded
    through the API; each worker follows at its next scan of the store. Unset: a temporary one with
    several workers, else in memory."""

    keys: Annotated[tuple[ApiKey, ...], NoDecode, _from_text(parse_keys)] = ()
    """Keys, of which every request must carry one, as `Authorization: Bearer KEY` or
    `X-API-Key: KEY`. Lines that `python -m service.keys NAME` prints, separated by `;`; they hold
    hashes. Without keys and keys_file, requests need no key."""

    keys_file: Path | None = None
    """File with such lines. Checked every second: removing a line revokes its key."""

    admin_key: SecretStr | None = None
    """Key that allows loading and unloading models, or `sha256:HEX` of it; keys whose line says
    `admin` allow it too. Unset: not allowed. Others can see a command line: set the variable."""

    key_rate: Annotated[RateLimitItem, _from_text(parse_rate)] | None = None
    """Rate limit of each key whose line sets none, such as 100/minute, counted over all workers."""

    key_max_concurrent: PositiveInt | None = None
    """Concurrent requests, in each worker, of each key whose line sets no limit."""

    cors_origins: Annotated[tuple[str, ...], NoDecode, _from_text(parse_origins)] = ()
    """Origins whose pages may call this service, comma-separated, such as https://example.org; `*`
    for all. Unset: only its own."""

    docs: bool = True
    """Serve /docs, /redoc and /openapi.json."""

    playground: bool = True
    """Serve the playground at /."""

    real_faces: Path | None = None
    """Folder of photographs that the game "which is the photograph?" shows to every visitor."""

    game_secret: SecretStr | None = None
    """Secret of the game's rounds, the same in all replicas. Unset: random, shared by workers."""

    metrics: Literal["open", "key", "closed"] = "open"
    """Serve /metrics to everybody (open), to requests with a key (key), or not at all (closed)."""

    tls_certfile: Path | None = None
    """Certificate chain, PEM. With it and tls_keyfile, the service speaks only HTTPS."""

    tls_keyfile: Path | None = None
    """Private key of the certificate, PEM, without a password."""

    max_body_bytes: PositiveInt = 32 << 20
    """Largest request body, in bytes."""

    max_buffered_body_bytes: PositiveInt = 256 << 20
    """Total bytes of request bodies buffered per worker; requests beyond it get 503. One eighth is
    reserved for bodies up to 256 KiB. At least max_body_bytes."""

    max_pixels: Annotated[int, Field(ge=1, le=89_478_485)] = 25_000_000
    """Largest image, in pixels, checked by its header before decoding. While a thread decodes, it
    may need 23 bytes per pixel (WebP with transparency); a JPEG needs 10."""
    # From 89,478,486 pixels on, some of Pillow's readers warn of a decompression bomb.

    max_tensor_memory_bytes: PositiveInt = 1 << 30
    """Memory, in bytes, that runs of models with the task tensors may take together in each worker.
    A request that needs more gets 422: in such models, values can decide how large an output is."""

    max_images: PositiveInt = 16
    """Most images in one request."""

    max_prompt_chars: PositiveInt = 4096
    """Longest prompt, in characters."""

    max_text_chars: PositiveInt = 4096
    """Most characters that one request may generate."""

    max_concurrent_generations: PositiveInt = 32
    """Texts generated at the same time, in each worker; they share runs of their model."""

    queue_size: NonNegativeInt = 256
    """Requests that may wait in each worker, for a thread or, separately, to start generating text.
    A request beyond it gets 503 at once."""

    deadline_s: Annotated[PositiveFloat, Field(allow_inf_nan=False)] = 60.0
    """Seconds from a request's arrival after which it is cancelled with 504. A run of an added
    model that takes longer is ended. Denoising that would take longer, by the pace of its first
    tiles, gets 413 with the number of pixels that fit."""

    keep_alive_s: PositiveInt = 15
    """Seconds after which an idle connection is closed."""

    header_timeout_s: Annotated[PositiveFloat, Field(allow_inf_nan=False)] = 10.0
    """Seconds in which a request's headers must arrive, and later the rest of its body."""

    body_timeout_s: Annotated[PositiveFloat, Field(allow_inf_nan=False)] = 30.0
    """Seconds from a request's arrival within which its body must arrive, else 504."""

    max_header_bytes: PositiveInt = 64 << 10
    """Largest request line and headers together, in bytes."""

    write_timeout_s: Annotated[PositiveFloat, Field(allow_inf_nan=False)] = 30.0
    """Seconds in which a client must read some of its response: it is disconnected after that time
    if it has read less than 1 KiB for each of these seconds."""

    max_connections: PositiveInt = 1000
    """Connections in each worker. A connection beyond it gets 503 and is closed."""

    graceful_shutdown_s: PositiveInt = 60
    """Seconds that running requests may take after SIGTERM."""

    shared_dir: Path | None = None
    """Directory in which the workers of one service share the rate limits of keys, so that a limit
    holds for all workers together; each service needs its own. Unset: a temporary one."""

    otlp_endpoint: Annotated[str, Field(pattern=r"^https?://\S+$")] | None = None
    """URL of an OpenTelemetry collector for traces over OTLP/HTTP, such as
    http://127.0.0.1:4318/v1/traces. Unset: no traces. Needs deepshelf[otel]."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level that is logged."""

    log_format: Literal["text", "json"] = "text"
    """Format of log lines, one event each: `text` for people (key=value), `json` for machines."""

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        if (self.tls_certfile is None) != (self.tls_keyfile is None):
            raise ValueError("tls_certfile and tls_keyfile must be set together; one is missing")
        if self.max_buffered_body_bytes < self.max_body_bytes:
            raise ValueError(
                f"max_buffered_body_bytes ({self.max_buffered_body_bytes}) is less than "
                f"max_body_bytes ({self.max_body_bytes}): the largest body would never be accepted"
            )
        self.load_trusted_keys()
        ring = self.load_api_keys()
        if self.metrics == "key" and not ring.auth_required:
            raise ValueError("metrics=key needs keys, but none are set")
        return self

    def load_trusted_keys(self) -> TrustedKeys | None:
        """Return the keys whose signatures are accepted; None if no signature is needed.

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
        """Return all keys, from the settings and from the keys file.

        Raises:
            ValueError: the file cannot be read or is malformed, or two keys or names are equal.
        """
        keys = list(self.keys)
        if self.keys_file is not None:
            keys += read_keys_file(self.keys_file)
        if self.admin_key is not None and self.admin_key.get_secret_value():
            keys.append(parse_admin_key(self.admin_key.get_secret_value()))
        return ApiKeySet(keys)
