"""Formats of settings that are text in the environment and on the command line."""

import re

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:\d+)?")


def parse_names(text: str) -> tuple[str, ...] | None:
    """Parse `name,name`; None if the text has no name."""
    return tuple(item.strip() for item in text.split(",") if item.strip()) or None


def parse_pairs(text: str) -> dict[str, str]:
    """Parse `task=model,task=model`. Raises ValueError for another format."""
    pairs = parse_names(text) or ()
    if any(pair.count("=") != 1 for pair in pairs):
        raise ValueError("the format is task=model,task=model")
    return dict(pair.split("=") for pair in pairs)


def parse_providers(text: str) -> dict[str, dict[str, str]]:
    """Parse `cuda:device_id=1;use_tf32=1,cpu` into options by name, in order.

    Raises:
        ValueError: an option has no value.
    """
    parts = [item.partition(":") for item in parse_names(text) or ("cpu",)]
    options = {name: [option for option in rest.split(";") if option] for name, _, rest in parts}
    if any("=" not in option for pairs in options.values() for option in pairs):
        raise ValueError("the format is name,name or name:option=value;option=value,name")
    return {name: dict(pair.split("=", 1) for pair in pairs) for name, pairs in options.items()}


def parse_origins(text: str) -> tuple[str, ...]:
    """Parse origins, or `*`. Raises ValueError for an address that is no origin."""
    origins = parse_names(text) or ()
    if not all(origin == "*" or _ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError("an origin is a scheme and a host, such as https://example.org")
    return origins


def reject_kubernetes_service_link(text: str) -> str:
    """Return the text. Raises ValueError if it is a link that Kubernetes set."""
    # Kubernetes sets `<SERVICE>_PORT=tcp://address:port` in every pod for each service of the
    # namespace: a service named deepshelf overwrites this setting.
    if text.startswith("tcp://"):
        raise ValueError(
            "this value is a link that Kubernetes sets for a service named deepshelf; "
            "set enableServiceLinks: false in the pod"
        )
    return text
